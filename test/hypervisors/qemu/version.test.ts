import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { capabilitiesOf } from "../../../src/hypervisors/qemu/capabilities.ts";
import { isAtLeast, parseQemuVersion } from "../../../src/hypervisors/qemu/version.ts";

describe("parseQemuVersion", () => {
  test.each([
    ["QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18)\nCopyright (c) 2003-2022", [7, 2, 22]],
    ["QEMU emulator version 2.11.1(Debian 1:2.11+dfsg-1ubuntu7.42)", [2, 11, 1]],
    ["QEMU emulator version 6.2.0 (qemu-kvm-6.2.0-11.module_el8)", [6, 2, 0]],
    ["QEMU emulator version 10.0.50 (v10.0.0-1234-gabcdef)", [10, 0, 50]],
    ["QEMU emulator version 9.1", [9, 1]],
    ["bash: qemu: not found", undefined],
    ["version 8", undefined],
    ["", undefined],
  ])("%j", (text, version) => {
    expect(parseQemuVersion(text)).toEqual(version);
  });
});

describe("isAtLeast", () => {
  test.each([
    [[7, 2, 22], [7, 2], true],
    [[7, 2], [7, 2, 0], true],
    [[7, 2], [7, 2, 1], false],
    [[10, 0], [9, 2], true],
    [[2, 11], [10, 2], false],
    [[8, 0], [1, 3], true],
  ])("%j against %j: %j", (version, wanted, result) => {
    expect(isAtLeast(version, wanted)).toBe(result);
  });

  const version = fc.array(fc.nat(30), { minLength: 1, maxLength: 4 });
  test("is a total order", () => {
    fc.assert(fc.property(version, version, (a, b) => isAtLeast(a, b) || isAtLeast(b, a)));
    fc.assert(
      fc.property(version, version, version, (a, b, c) => !(isAtLeast(a, b) && isAtLeast(b, c)) || isAtLeast(a, c)),
    );
  });
});

describe("capabilitiesOf", () => {
  test.each([
    [[1, 2], { virtioRng: false, streamNetdev: false, exitWithParent: false }],
    [[1, 3], { virtioRng: true, streamNetdev: false, exitWithParent: false }],
    [[2, 11], { virtioRng: true, streamNetdev: false, exitWithParent: false }],
    [[7, 2], { virtioRng: true, streamNetdev: true, exitWithParent: false }],
    [[8, 0], { virtioRng: true, streamNetdev: true, exitWithParent: false }],
    [[8, 1], { virtioRng: true, streamNetdev: true, exitWithParent: false }],
    [[9, 0], { virtioRng: true, streamNetdev: true, exitWithParent: false }],
    [[9, 2], { virtioRng: true, streamNetdev: true, exitWithParent: false }],
    [[10, 0], { virtioRng: true, streamNetdev: true, exitWithParent: false }],
    [[10, 2], { virtioRng: true, streamNetdev: true, exitWithParent: true }],
    [[11, 0, 1], { virtioRng: true, streamNetdev: true, exitWithParent: true }],
  ])("D15: QEMU %j can %j, whatever its minor number", (numbers, capabilities) => {
    expect(capabilitiesOf(numbers)).toEqual(capabilities);
  });
});
