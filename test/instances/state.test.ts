import { execFileSync } from "node:child_process";
import { mkdirSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { readConfig } from "../../src/instances/config.ts";
import { FILES } from "../../src/instances/layout.ts";
import { readLock } from "../../src/instances/lock.ts";
import {
  ends,
  type InstanceState,
  instanceStates,
  parseState,
  readState,
  writeState,
} from "../../src/instances/state.ts";
import { StateKeeper } from "../../src/instances/state-keeper.ts";
import { temporaryFolder } from "../hypervisors/tiny-guest.ts";

const top = temporaryFolder();
let count = 0;

function newFolder(): string {
  const folder = join(top, `folder-${++count}`);
  mkdirSync(folder);
  return folder;
}

const plain: InstanceState = {
  ...{ version: 1, state: "created", restarts: 0, forwards: [] },
  times: { created: 1, asked: 2 },
};

describe("what is no small regular file is not waited for, and not read whole", () => {
  const make: Readonly<Record<string, (path: string) => void>> = {
    "a named pipe": (path) => execFileSync("mkfifo", [path]),
    "a device": (path) => symlinkSync("/dev/zero", path),
    "a vast file": (path) => {
      writeFileSync(path, "{");
      truncateSync(path, 2 ** 40);
    },
  };
  test.each(Object.entries(make))("%s", async (_, put) => {
    const folder = newFolder();
    for (const name of [FILES.state, FILES.config, "lock.1"]) put(join(folder, name));
    expect(readState(folder)).toBeUndefined();
    expect(readLock(folder)?.owner).toBeUndefined();
    await expect(readConfig(folder)).rejects.toMatchObject({ name: "CapstanError" });
  });
});

describe("the state of an instance", () => {
  test("is read as it was written", () => {
    const time = fc.integer({ min: 0, max: 8.64e15 });
    const port = fc.integer({ min: 1, max: 65535 });
    const address = fc.constantFrom("", "127.0.0.1", "[::1]");
    const optional = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });
    const state = fc.record({
      version: fc.constant(1 as const),
      state: fc.constantFrom(...instanceStates),
      reason: optional(fc.string()),
      guestStatus: optional(fc.integer({ min: 0, max: 255 })),
      end: optional(fc.constantFrom(...ends)),
      forwards: fc.array(
        fc.record({
          protocol: fc.constantFrom("tcp" as const, "udp" as const),
          address,
          hostPort: port,
          guestPort: port,
        }),
      ),
      restarts: fc.nat(),
      times: fc.record({ created: time, asked: time, qemuStarted: optional(time), ended: optional(time) }),
      argv: optional(fc.array(fc.string())),
      commandLine: optional(fc.string()),
      acceleration: optional(fc.constantFrom("kvm" as const, "tcg" as const)),
    });
    const folder = newFolder();
    fc.assert(
      fc.property(state, (one) => {
        writeState(folder, one);
        expect(JSON.parse(JSON.stringify(readState(folder)))).toEqual(JSON.parse(JSON.stringify(one)));
      }),
      { numRuns: 50 },
    );
  });

  test("whatever the file holds, it is understood or it is none", () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (value, part) => {
        expect(() => parseState(value)).not.toThrow();
        for (const key of ["forwards", "times", "health", "argv", "reason", "state"]) {
          const parsed = parseState({ ...plain, [key]: part });
          if (parsed === undefined) continue;
          expect(instanceStates).toContain(parsed.state);
          expect(new Date(parsed.times.asked).toISOString()).toMatch(/Z$/);
        }
      }),
    );
  });

  test.each([["nothing"], [""], ["{"], ["\0"]])("a file of '%s' is none", (text) => {
    const folder = newFolder();
    if (text !== "nothing") writeFileSync(join(folder, "state.json"), text);
    expect(readState(folder)).toBeUndefined();
  });

  test("a keeper changes what it is told, and adds to the times", () => {
    const folder = newFolder();
    const keeper = new StateKeeper(folder, plain, () => {});
    keeper.update({ state: "running", times: { qemuStarted: 3 } });
    expect(readState(folder)).toMatchObject({ state: "running", times: { created: 1, asked: 2, qemuStarted: 3 } });
  });

  test("a keeper that cannot write says so once, and goes on", () => {
    const troubles: unknown[] = [];
    const keeper = new StateKeeper(join(top, "nowhere"), plain, (error) => troubles.push(error));
    keeper.update({ state: "running" });
    keeper.finish({ state: "stopped" });
    expect([troubles.length, keeper.current.state]).toEqual([1, "stopped"]);
  });
});
