import { spawnSync } from "node:child_process";
import { describe, expect, test } from "vitest";
import type { MachineDescription, MachineDisk } from "../../../src/hypervisors/machine.ts";
import { qemuArguments } from "../../../src/hypervisors/qemu/arguments.ts";
import { capabilitiesOf } from "../../../src/hypervisors/qemu/capabilities.ts";
import { MiB } from "../../../src/support/bytes.ts";
import { temporaryFolder, writeTinyDisk } from "../tiny-guest.ts";

const disk: MachineDisk = { path: "/i/disk.qcow2", format: "qcow2", aio: "threads", cache: "unsafe", readonly: false };
const machine: MachineDescription = {
  name: "hello",
  memory: 512 * MiB,
  cpus: 2,
  acceleration: "tcg",
  boot: { kind: "disk" },
  disks: [disk],
  cards: [],
};
const qemu72 = capabilitiesOf([7, 2]);

function args(changes: Partial<MachineDescription>, version = [7, 2]): string {
  return qemuArguments({ ...machine, ...changes }, capabilitiesOf(version)).join(" ");
}

test("a whole machine, word by word", () => {
  const description: MachineDescription = {
    ...machine,
    acceleration: "kvm",
    cards: [
      {
        network: {
          kind: "user",
          net: "192.168.122.0/24",
          host: "192.168.122.1",
          forwards: [
            { protocol: "tcp", address: "", hostPort: 8080, guestPort: 80 },
            { protocol: "udp", address: "127.0.0.1", hostPort: 53, guestPort: 5353 },
          ],
        },
      },
    ],
    monitor: "/i/osv.monitor",
  };
  expect(qemuArguments(description, qemu72)).toEqual([
    ...["-name", "hello", "-no-user-config", "-nodefaults", "-machine", "pc"],
    ...[
      "-accel",
      "kvm",
      "-cpu",
      "host,+x2apic",
      "-m",
      "512",
      "-smp",
      "2",
      "-vga",
      "none",
      "-display",
      "none",
      "-no-reboot",
    ],
    ...["-drive", "file=/i/disk.qcow2,if=none,id=hd0,format=qcow2,aio=threads,cache=unsafe"],
    ...["-device", "virtio-blk-pci,id=blk0,drive=hd0,bootindex=0"],
    ...["-chardev", "stdio,id=stdio", "-device", "isa-serial,chardev=stdio"],
    "-netdev",
    "user,id=un0,net=192.168.122.0/24,host=192.168.122.1,hostfwd=tcp::8080-:80,hostfwd=udp:127.0.0.1:53-:5353",
    ...["-device", "virtio-net-pci,netdev=un0,id=nic1,romfile="],
    ...["-chardev", "socket,id=charmonitor,path=/i/osv.monitor,server=on,wait=off"],
    ...["-mon", "chardev=charmonitor,id=monitor,mode=control"],
    ...["-device", "virtio-rng-pci"],
  ]);
});

test.each<[string, Partial<MachineDescription>, string]>([
  ["hvf", { acceleration: "hvf" }, "-accel hvf -cpu host "],
  ["tcg", {}, "-accel tcg -cpu max "],
  ["memory is rounded up to MiB", { memory: 16 * MiB + 1 }, "-m 17 "],
  [
    "bridge",
    {
      cards: [
        {
          network: { kind: "bridge", bridge: "virbr0", helper: "/usr/lib/qemu/qemu-bridge-helper" },
          mac: "52:54:00:00:00:01",
        },
      ],
    },
    "-netdev bridge,id=hn0,br=virbr0,helper=/usr/lib/qemu/qemu-bridge-helper -device virtio-net-pci,netdev=hn0,id=nic1,mac=52:54:00:00:00:01,romfile=",
  ],
  [
    "tap",
    { cards: [{ network: { kind: "tap", ifname: "tap0" } }] },
    "-netdev tap,id=hn0,ifname=tap0,script=no,downscript=no -device",
  ],
  [
    "vhost",
    { cards: [{ network: { kind: "vhost" } }] },
    "-netdev tap,id=hn0,vhost=on -device virtio-net-pci,netdev=hn0",
  ],
  [
    "vhost with a device",
    { cards: [{ network: { kind: "vhost", ifname: "tap1" } }] },
    "-netdev tap,id=hn0,ifname=tap1,script=no,downscript=no,vhost=on -device",
  ],
  [
    "a wire, with a comma in its path",
    { cards: [{ network: { kind: "wire", socket: "/a,b/net0" }, mac: "02:00:00:00:00:01" }] },
    "-netdev stream,id=hn0,server=on,addr.type=unix,addr.path=/a,,b/net0 -device virtio-net-pci,netdev=hn0,id=nic1,mac=02:00:00:00:00:01,romfile=",
  ],
  [
    "several cards in their order, each with an id of its own",
    {
      cards: [
        { network: { kind: "wire", socket: "/net0" } },
        { network: { kind: "user", net: "10.0.2.0/24", host: "10.0.2.2", forwards: [] } },
      ],
    },
    "netdev=hn0,id=nic1,romfile= -netdev user,id=un1,net=10.0.2.0/24,host=10.0.2.2 -device virtio-net-pci,netdev=un1,id=nic2,romfile=",
  ],
  ["commas in paths", { disks: [{ ...disk, path: "/a,b,,c" }] }, "-drive file=/a,,b,,,,c,if=none"],
  ["a relative path with a colon", { disks: [{ ...disk, path: "a:b" }] }, "-drive file=./a:b,if=none"],
  ["a comma in the monitor's path", { monitor: "/x,y/m" }, "socket,id=charmonitor,path=/x,,y/m,server=on"],
  ["a comma in the name", { name: "a,process=b" }, "-name a,,process=b "],
  [
    "volumes in their order",
    {
      disks: [disk, { ...disk, path: "/v1", format: "raw", readonly: true }, { ...disk, path: "/v2", format: "vmdk" }],
    },
    "id=hd1,format=raw,aio=threads,cache=unsafe,readonly=on -device virtio-blk-pci,id=blk1,drive=hd1 -drive file=/v2",
  ],
])("%s", (_, changes, expected) => {
  expect(args(changes)).toContain(expected);
});

test("a kernel is booted with its command line as it stands, and no disk claims the boot", () => {
  const boot = { kind: "kernel", kernel: "/k,1.elf", commandLine: '/hello "a, b"' } as const;
  expect(qemuArguments({ ...machine, boot }, qemu72)).toEqual(
    expect.arrayContaining(["-kernel", "/k,1.elf", "-append", '/hello "a, b"', "virtio-blk-pci,id=blk0,drive=hd0"]),
  );
  expect(args({ boot })).not.toContain("bootindex");
});

test("D15: the random number device is there with every QEMU since 1.3", () => {
  for (const version of [
    [2, 11],
    [7, 2],
    [8, 0],
    [8, 1],
    [9, 0],
    [9, 2],
    [10, 0],
    [10, 2],
  ]) {
    expect(args({}, version)).toContain("-device virtio-rng-pci");
  }
  expect(args({}, [1, 2])).not.toContain("virtio-rng");
});

test("a QEMU that can ends with its parent, where that is wanted", () => {
  expect(args({ endsWithParent: true }, [10, 2])).toContain("-run-with exit-with-parent=on");
  expect(args({ endsWithParent: true }, [10, 1])).not.toContain("-run-with");
  expect(args({}, [10, 2])).not.toContain("-run-with");
});

describe("QEMU as the judge", () => {
  const folder = temporaryFolder();
  const disks = ["a,b.img", "c:d.img"].map((name) => ({
    ...disk,
    format: "raw" as const,
    path: writeTinyDisk(`${folder}/${name}`, "P done\n"),
  }));

  test("takes the arguments, awkward paths included", () => {
    const description = {
      ...machine,
      name: "a,b",
      disks,
      memory: 32 * MiB,
      monitor: `${folder}/m,n`,
      cards: [
        { network: { kind: "user", net: "192.168.122.0/24", host: "192.168.122.1", forwards: [] } },
        { network: { kind: "wire", socket: `${folder}/w,0` } },
      ],
    } as const;
    const { status, stdout, stderr } = spawnSync("qemu-system-x86_64", qemuArguments(description, qemu72), {
      timeout: 30_000,
      encoding: "utf8",
    });
    expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: "P done\n", stderr: "" });
  });
});
