import { mkdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { chooseMonitorPath, LONGEST_SOCKET_PATH } from "../../../src/hypervisors/qemu/monitor-path.ts";
import { temporaryFolder } from "../tiny-guest.ts";

const folder = temporaryFolder();

test("the usual path is taken as long as a socket can have it", () => {
  const longest = `/${"x".repeat(LONGEST_SOCKET_PATH - 1)}`;
  expect(chooseMonitorPath(longest, {})).toEqual({ path: longest });
});

test.each(["x".repeat(LONGEST_SOCKET_PATH), "ü".repeat(LONGEST_SOCKET_PATH / 2 + 1)])(
  "a longer one gives a private folder of the run-time folder",
  (name) => {
    const runtime = join(folder, "run");
    mkdirSync(runtime, { recursive: true });
    const { path, folder: made = "" } = chooseMonitorPath(`/${name}`, { XDG_RUNTIME_DIR: runtime });
    expect(path).toBe(join(made, "monitor"));
    expect(made).toMatch(/\/run\/capstan-\w{6}$/);
    expect(statSync(made).mode & 0o777).toBe(0o700);
  },
);

test.each(["/nowhere/at/all", "relative", `/${"y".repeat(120)}`, undefined])(
  "a run-time folder '%s' is passed over",
  (runtime) => {
    const { path, folder: made = "" } = chooseMonitorPath(`/${"x".repeat(200)}`, { XDG_RUNTIME_DIR: runtime });
    expect(Buffer.byteLength(path)).toBeLessThanOrEqual(LONGEST_SOCKET_PATH);
    rmSync(made, { recursive: true });
  },
);
