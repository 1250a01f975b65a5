import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { PassThrough, Writable } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import { expect, test } from "vitest";
import { type AttachEnd, type AttachInput, attach } from "../../../src/instances/console/attach.ts";
import { ConsoleLog } from "../../../src/instances/console/log-writer.ts";
import { temporaryFolder } from "../../hypervisors/tiny-guest.ts";

const root = temporaryFolder();
let count = 0;

/** A guest that says what the test says, and notes what it is sent. */
function guest(said = "") {
  const folder = join(root, String(++count));
  mkdirSync(folder);
  const log = new ConsoleLog({ folder, now: () => new Date() });
  log.append(Buffer.from(said));
  let isOver = false;
  const controller = new AbortController();
  const sent: string[] = [];
  return {
    log,
    sent,
    abort: () => controller.abort(),
    end: () => {
      log.close();
      isOver = true;
    },
    join: (changes: Partial<AttachInput> = {}) => {
      const input = new PassThrough();
      const output = new PassThrough();
      let shown = "";
      output.on("data", (chunk) => {
        shown += chunk;
      });
      const failures: unknown[] = [];
      const ended: Promise<AttachEnd> = attach({
        folder,
        console: { input, output },
        taker: { sendInput: async (bytes) => sent.push(bytes.toString("latin1")) },
        detachKeys: Buffer.from([16, 17]),
        tail: 10,
        isOver: () => isOver,
        signal: controller.signal,
        onInputFailure: (error) => failures.push(error),
        ...changes,
      });
      return { input, output, ended, failures, shown: () => shown };
    },
  };
}

async function until(what: () => boolean): Promise<void> {
  while (!what()) await delay(5);
}

function terminal() {
  const modes: string[] = [];
  const rawMode = () => {
    modes.push("raw");
    return () => modes.push("restored");
  };
  return { modes, console: { input: new PassThrough(), output: new PassThrough().resume(), rawMode } };
}

test("any number see all that is said, beginning with the last lines, until the guest ends", async () => {
  const { log, join, end } = guest("one\ntwo\nthree\n");
  const first = join();
  await until(() => first.shown() !== "");
  const second = join({ tail: 1 });
  await until(() => second.shown().length > 0);
  log.append(Buffer.from("four\n"));
  await until(() => second.shown().endsWith("four\n"));
  end();
  expect(await first.ended).toBe("ended");
  expect(await second.ended).toBe("ended");
  expect(first.shown()).toBe("one\ntwo\nthree\nfour\n");
  expect(second.shown()).toBe("three\nfour\n");
});

test("what is typed goes to the guest in its order, from all of them", async () => {
  const { sent, join, end } = guest();
  const [first, second] = [join(), join()];
  first.input.write("a");
  await until(() => sent.length === 1);
  second.input.write("b");
  await until(() => sent.length === 2);
  first.input.write("\x03\x10\x11");
  await until(() => sent.length === 3);
  end();
  await Promise.all([first.ended, second.ended]);
  expect(sent).toEqual(["a", "b", "\x03\x10\x11"]);
});

test("no more is taken from the input than the guest takes", async () => {
  const waiting: (() => void)[] = [];
  const { join, end } = guest();
  const taker = { sendInput: () => new Promise<void>((resolve) => waiting.push(resolve)) };
  const { input, ended } = join({ taker });
  for (const text of ["a", "b", "c"]) input.write(text);
  await until(() => waiting.length === 1);
  await delay(30);
  expect(waiting).toHaveLength(1);
  waiting[0]?.();
  await until(() => waiting.length === 2);
  end();
  await ended;
});

test("on a terminal the keys leave, and the terminal is restored", async () => {
  const { sent, join } = guest();
  const { modes, console } = terminal();
  const { ended } = join({ console });
  console.input.write("ab\x10");
  await until(() => sent.length === 1);
  console.input.write("\x11c");
  expect(await ended).toBe("detached");
  expect(sent).toEqual(["ab"]);
  expect(modes).toEqual(["raw", "restored"]);
});

test("without input, the terminal is left as it is", async () => {
  const { join, end } = guest();
  const { modes, console } = terminal();
  const { ended } = join({ console, taker: undefined });
  await delay(20);
  end();
  expect(await ended).toBe("ended");
  expect(modes).toEqual([]);
});

test.each([
  ["Capstan demo kernel 1.0\n", ["\x04"]],
  ["OSv v0.57.0\n", []],
  ["something else\n", []],
])("the end of the input is told to a kernel that takes it: %j", async (said, expected) => {
  const { log, sent, join, end } = guest(said);
  const { input, ended, shown } = join();
  await until(() => shown() !== "");
  input.end();
  await delay(50);
  log.append(Buffer.from("more"));
  end();
  expect(await ended).toBe("ended");
  expect(sent).toEqual(expected);
});

test("a guest that takes nothing any more is told once, and its output goes on", async () => {
  const { log, join, end } = guest();
  const taker = { sendInput: () => Promise.reject(new Error("gone")) };
  const { input, ended, failures, shown } = join({ taker });
  input.write("a");
  await until(() => failures.length === 1);
  input.write("b");
  log.append(Buffer.from("still here"));
  end();
  expect(await ended).toBe("ended");
  expect(shown()).toBe("still here");
  expect(failures).toEqual([new Error("gone")]);
});

test("an abort leaves, even when the reader takes nothing", async () => {
  const { join, abort } = guest("much\n");
  const output = new Writable({ highWaterMark: 1, write: () => {} });
  const { ended } = join({ console: { output } });
  await delay(50);
  abort();
  expect(await ended).toBe("aborted");
});

test("a reader that goes away leaves", async () => {
  const { join } = guest("much\n");
  const { ended, output } = join();
  await delay(20);
  output.destroy(Object.assign(new Error("gone"), { code: "EPIPE" }));
  expect(await ended).toBe("reader-gone");
});
