import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { afterAll, expect } from "vitest";
import { testUnless } from "../support/machine.ts";
import { Sandbox } from "../support/sandbox.ts";

const MiB = 1024 * 1024;
const sandbox = new Sandbox();
afterAll(() => sandbox.remove());

/** The most memory that a command line had at once, in MiB: the high-water mark that Linux keeps. */
async function peak(args: readonly string[], cwd = sandbox.dir): Promise<number> {
  let highest = 0;
  let timer: NodeJS.Timeout | undefined;
  const { code, stderr } = await sandbox.run(args, {
    cwd,
    onStart: ({ pid }) => {
      timer = setInterval(() => {
        try {
          const status = readFileSync(`/proc/${pid}/status`, "utf8");
          highest = Math.max(highest, Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) / 1024);
        } catch {
          // It has ended.
        }
      }, 5);
    },
  });
  clearInterval(timer);
  if (code !== 0) throw new Error(stderr);
  if (highest < 20) throw new Error("nothing was measured");
  return highest;
}

const measured = testUnless(existsSync("/proc/self/status") ? undefined : "memory is measured with Linux's /proc");

measured("composing a file of 300 MiB takes less than 150 MiB of memory", async () => {
  mkdirSync(sandbox.path("large"));
  writeFileSync(sandbox.path("large/file"), Buffer.alloc(300 * MiB, "not only zeros"));
  expect(await peak(["compose", "large", "large", "-l", "builtin", "-c", "/x"])).toBeLessThan(150);
});

measured("so does composing 20,000 files, from a folder and from a package, and packing them", async () => {
  const cwd = sandbox.project("many");
  for (let folder = 0; folder < 100; folder++) {
    mkdirSync(`${cwd}/${folder}`);
    for (let file = 0; file < 200; file++)
      writeFileSync(`${cwd}/${folder}/file number ${file}`, `${folder} ${file}\n`.repeat(40));
  }
  expect(await peak(["compose", "many", "many", "-l", "builtin", "-c", "/x"])).toBeLessThan(150);
  expect(await peak(["package", "import"], cwd)).toBeLessThan(150);
  const user = sandbox.project("user", {}, ["many"]);
  expect(await peak(["package", "compose", "user", "-l", "builtin", "--run", "/x"], user)).toBeLessThan(150);
  expect(await sandbox.ok(["image", "cat", "user", "/99/file number 199"])).toBe("99 199\n".repeat(40));
  expect(await peak(["image", "ls", "-R", "user"])).toBeLessThan(150);
});
