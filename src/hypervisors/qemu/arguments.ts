import { MiB } from "../../support/bytes.ts";
import type { Acceleration, MachineDescription, MachineDisk, Network, NetworkCard, SharedFolder } from "../machine.ts";
import type { QemuCapabilities } from "./capabilities.ts";

/** The command line, without the program itself, that makes QEMU be this machine with its console on stdin and stdout. */
export function qemuArguments(machine: MachineDescription, capabilities: QemuCapabilities): string[] {
  return [
    ...["-name", escapeCommas(machine.name)],
    // Neither the user's configuration nor QEMU's default devices: an empty CD drive slows the BIOS down.
    ...["-no-user-config", "-nodefaults"],
    ...machineArguments(machine),
    ...accelerationArguments(machine.acceleration),
    ...["-m", String(Math.ceil(machine.memory / MiB))],
    ...["-smp", String(machine.cpus)],
    ...["-vga", "none", "-display", "none"],
    // A guest that resets itself, as after a triple fault, ends instead of booting over and over.
    "-no-reboot",
    ...bootArguments(machine),
    ...machine.disks.flatMap((disk, index) => diskArguments(disk, { index, boots: bootsFrom(machine, index) })),
    ...(machine.folders ?? []).flatMap(folderArguments),
    ...["-chardev", "stdio,id=stdio", "-device", "isa-serial,chardev=stdio"],
    ...machine.cards.flatMap(cardArguments),
    ...(machine.monitor === undefined ? [] : monitorArguments(machine.monitor)),
    ...(capabilities.virtioRng ? ["-device", "virtio-rng-pci"] : []),
    ...(machine.endsWithParent === true && capabilities.exitWithParent ? ["-run-with", "exit-with-parent=on"] : []),
  ];
}

/** virtiofsd reads and writes the guest's memory, so it has to be memory that processes can share. */
function machineArguments({ folders = [], memory }: MachineDescription): string[] {
  if (folders.length === 0) return ["-machine", "pc"];
  const size = `${Math.ceil(memory / MiB)}M`;
  return ["-object", `memory-backend-memfd,id=ram,size=${size},share=on`, "-machine", "pc,memory-backend=ram"];
}

function accelerationArguments(acceleration: Acceleration): string[] {
  switch (acceleration) {
    case "kvm":
      return ["-accel", "kvm", "-cpu", "host,+x2apic"];
    case "hvf":
      return ["-accel", "hvf", "-cpu", "host"];
    case "tcg":
      return ["-accel", "tcg", "-cpu", "max"];
  }
}

function bootArguments({ boot }: MachineDescription): string[] {
  // No escaping here: both take the word as it stands.
  return boot.kind === "kernel" ? ["-kernel", boot.kernel, "-append", boot.commandLine] : [];
}

/** With -kernel, QEMU's own boot ROM has boot index 0, and a disk that claims it too is refused. */
function bootsFrom({ boot }: MachineDescription, index: number): boolean {
  return boot.kind === "disk" && index === 0;
}

function diskArguments(disk: MachineDisk, { index, boots }: { index: number; boots: boolean }): string[] {
  const drive = [
    `file=${escapeCommas(fileName(disk.path))}`,
    "if=none",
    `id=hd${index}`,
    `format=${disk.format}`,
    `aio=${disk.aio}`,
    `cache=${disk.cache}`,
    ...(disk.readonly ? ["readonly=on"] : []),
  ];
  const device = ["virtio-blk-pci", `id=blk${index}`, `drive=hd${index}`, ...(boots ? ["bootindex=0"] : [])];
  return ["-drive", drive.join(","), "-device", device.join(",")];
}

function folderArguments({ socket, tag }: SharedFolder, index: number): string[] {
  return [
    ...["-chardev", `socket,id=folder${index},path=${escapeCommas(socket)}`],
    ...["-device", `vhost-user-fs-pci,chardev=folder${index},tag=${escapeCommas(tag)}`],
  ];
}

function cardArguments({ network, mac }: NetworkCard, index: number): string[] {
  const id = netdevId(network, index);
  const card = [
    "virtio-net-pci",
    `netdev=${id}`,
    `id=nic${index + 1}`,
    ...(mac === undefined ? [] : [`mac=${mac}`]),
    // The card's boot ROM is for booting from the network, costs time in the BIOS, and is not installed everywhere.
    "romfile=",
  ];
  return ["-netdev", netdev(network, id), "-device", card.join(",")];
}

/** By which QEMU's monitor knows it. */
export function netdevId({ kind }: Network, index: number): string {
  return `${kind === "user" ? "un" : "hn"}${index}`;
}

function netdev(network: Network, id: string): string {
  switch (network.kind) {
    case "user": {
      const forwards = network.forwards.map(
        ({ protocol, address, hostPort, guestPort }) =>
          `hostfwd=${protocol}:${address}:${hostPort}-${network.guest ?? ""}:${guestPort}`,
      );
      return ["user", `id=${id}`, `net=${network.net}`, `host=${network.host}`, ...forwards].join(",");
    }
    case "bridge":
      return `bridge,id=${id},br=${escapeCommas(network.bridge)},helper=${escapeCommas(network.helper)}`;
    case "tap":
      return `tap,id=${id},ifname=${escapeCommas(network.ifname)},script=no,downscript=no`;
    case "vhost":
      return network.ifname === undefined
        ? `tap,id=${id},vhost=on`
        : `tap,id=${id},ifname=${escapeCommas(network.ifname)},script=no,downscript=no,vhost=on`;
    case "wire":
      // QEMU listens, not the other side: it goes on listening when the connection is lost, while it could not come back.
      return `stream,id=${id},server=on,addr.type=unix,addr.path=${escapeCommas(network.socket)}`;
  }
}

/** The argument by which a QEMU is known among all processes. */
export function monitorBackend(path: string): string {
  return `socket,id=charmonitor,path=${escapeCommas(path)},server=on,wait=off`;
}

function monitorArguments(path: string): string[] {
  return [...["-chardev", monitorBackend(path)], ...["-mon", "chardev=charmonitor,id=monitor,mode=control"]];
}

/** In QEMU's option lists a comma ends a value, and two of them are one. */
function escapeCommas(value: string): string {
  return value.replaceAll(",", ",,");
}

/** QEMU takes `word:` at the beginning of a file name for a protocol: a relative name with a colon gets `./` before it. */
function fileName(path: string): string {
  return path.startsWith("/") || !path.includes(":") ? path : `./${path}`;
}
