import { readdirSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { expect, test } from "vitest";
import { isRunning, withLock } from "../../src/store/lock.ts";
import { InterruptedError } from "../../src/support/errors.ts";
import { temporaryFolder } from "../packages/support.ts";

test("one at a time, and all in the end; the lock is gone after that", async () => {
  const folder = temporaryFolder();
  let inside = 0;
  const order: number[] = [];
  await Promise.all(
    Array.from({ length: 20 }, (_, index) =>
      withLock(join(folder, "locks/a.lock"), async () => {
        expect(++inside).toBe(1);
        await setTimeout(1);
        order.push(index);
        inside--;
      }),
    ),
  );
  expect(order.sort((a, b) => a - b)).toEqual(Array.from({ length: 20 }, (_, index) => index));
  expect(readdirSync(join(folder, "locks"))).toEqual([]);
});

test("what fails inside gives the lock back", async () => {
  const path = join(temporaryFolder(), "a.lock");
  await expect(withLock(path, () => Promise.reject(new Error("inside")))).rejects.toThrow("inside");
  expect(await withLock(path, () => "again")).toBe("again");
});

test("the lock of a process that is dead is taken away at once", async () => {
  const path = join(temporaryFolder(), "a.lock");
  writeFileSync(path, `${hostname()} 4194305 0123456789abcdef`);
  expect(await withLock(path, () => "mine")).toBe("mine");
});

test("that of another machine, or of one that lives, is waited for; the wait can be interrupted", async () => {
  for (const holder of [
    `elsewhere.invalid 4194305 0123456789abcdef`,
    `${hostname()} ${process.pid} 0123456789abcdef`,
  ]) {
    const path = join(temporaryFolder(), "a.lock");
    writeFileSync(path, holder);
    const signal = AbortSignal.timeout(60);
    await expect(withLock(path, () => "never", signal)).rejects.toBeInstanceOf(InterruptedError);
  }
});

test("this process runs, and one beyond the largest number does not", () => {
  expect(isRunning(process.pid)).toBe(true);
  expect(isRunning(4_194_305)).toBe(false);
});
