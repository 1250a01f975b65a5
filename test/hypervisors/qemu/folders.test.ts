import { describe, expect, test } from "vitest";
import type { MachineDescription } from "../../../src/hypervisors/machine.ts";
import { qemuArguments } from "../../../src/hypervisors/qemu/arguments.ts";
import { capabilitiesOf } from "../../../src/hypervisors/qemu/capabilities.ts";
import { explainFailure } from "../../../src/hypervisors/qemu/failures.ts";
import { MiB } from "../../../src/support/bytes.ts";

const machine: MachineDescription = {
  ...{ name: "m", memory: 100.5 * MiB, cpus: 1, acceleration: "tcg", boot: { kind: "disk" }, disks: [], cards: [] },
};

function line(changes: Partial<MachineDescription>): string {
  return qemuArguments({ ...machine, ...changes }, capabilitiesOf([7, 2])).join(" ");
}

test("a QEMU without them says so in its own words, and we in others", () => {
  const stderr =
    "qemu-system-x86_64: -device vhost-user-fs-pci,tag=x: 'vhost-user-fs-pci' is not a valid device model name\n";
  expect(explainFailure({ code: 1, signal: null, stderr })).toMatchObject({
    code: "folders-unavailable",
    exitCode: 69,
  });
});

describe("shared folders", () => {
  test("need memory that another process can reach, as much as the guest has", () => {
    const folders = [{ socket: "/run/a", tag: "one" }];
    expect(line({ folders })).toContain(
      "-object memory-backend-memfd,id=ram,size=101M,share=on -machine pc,memory-backend=ram",
    );
    expect(line({ folders })).toContain("-m 101");
  });

  test("are in the order in which the guest numbers them; commas in their paths are two", () => {
    const folders = [
      { socket: "/run/a,b", tag: "one" },
      { socket: "/run/c", tag: "two" },
    ];
    expect(line({ folders })).toContain(
      "-chardev socket,id=folder0,path=/run/a,,b -device vhost-user-fs-pci,chardev=folder0,tag=one " +
        "-chardev socket,id=folder1,path=/run/c -device vhost-user-fs-pci,chardev=folder1,tag=two",
    );
  });

  test("cost nothing where there are none", () => {
    expect(line({ folders: [] })).toBe(line({}));
    expect(line({})).toContain("-machine pc ");
    expect(line({})).not.toContain("memfd");
  });
});
