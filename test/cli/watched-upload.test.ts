import { expect, test } from "vitest";
import { uploadOutcome } from "../../src/cli/watched-upload.ts";

const WAITING = "OSv v0.57.0\r\nWaiting for connection from host...\r\nAdding /a...\r\n";
const ABORTED =
  "terminate called after throwing an instance of 'std::system_error'\r\n  what():  symlink: File exists\r\nAborted\r\n";

test.each<[what: string, console: string, outcome: "finished" | "failed" | undefined]>([
  ["nothing yet", "", undefined],
  ["in the middle", WAITING, undefined],
  ["the end", `${WAITING}Link /b to a ...\r\ncpiod finished\r\n`, "finished"],
  ["its last line, cut off", `${WAITING}cpiod finished`, "finished"],
  ["a link that is there already", `${WAITING}${ABORTED}\r\n[backtrace]\r\n`, "failed"],
  ["a crash without a word", `${WAITING}\r\n[backtrace]\r\n0x00000000407db83f <???>\r\n`, "failed"],
  ["a file of that name", `${WAITING}Adding /Aborted...\r\n`, undefined],
  ["what another program says after it", `${WAITING}cpiod finished\r\n${ABORTED}`, "finished"],
  ["a second upload after one that failed", `${WAITING}${ABORTED}${WAITING}`, undefined],
  ["a second upload that fails", `${WAITING}cpiod finished\r\n${WAITING}${ABORTED}`, "failed"],
])("%s", (_, console, outcome) => expect(uploadOutcome(console)).toBe(outcome));
