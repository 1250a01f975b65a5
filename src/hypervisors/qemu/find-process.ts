import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { platform } from "node:os";
import { monitorBackend } from "./arguments.ts";

/** The number of the QEMU that was started with its monitor at `path`, whether it listens there by now or not. */
export function findQemu(path: string): number | undefined {
  const argument = monitorBackend(path);
  return platform() === "linux" ? findInProc(argument) : findByPs(argument);
}

function findInProc(argument: string): number | undefined {
  const pids = readdirSync("/proc").filter((entry) => /^[1-9]\d*$/.test(entry));
  const found = pids.find((pid) => argumentsOf(pid).includes(argument));
  return found === undefined ? undefined : Number(found);
}

/** Linux: proc_pid_cmdline(5). */
function argumentsOf(pid: string): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
  } catch {
    // It has ended since, or is hidden from us.
    return [];
  }
}

function findByPs(argument: string): number | undefined {
  try {
    const text = execFileSync("ps", ["-axww", "-o", "pid=,command="], { encoding: "utf8", maxBuffer: 1 << 26 });
    const line = text.split("\n").find((one) => one.includes(` ${argument} `));
    return line === undefined ? undefined : Number.parseInt(line, 10);
  } catch {
    return undefined;
  }
}
