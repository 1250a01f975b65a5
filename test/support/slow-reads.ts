import type { Sandbox } from "./sandbox.ts";

const SOURCE = `
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
const { readSync } = fs;
const nap = new Int32Array(new SharedArrayBuffer(4));
fs.readSync = (...args) => {
  Atomics.wait(nap, 0, 0, 60);
  return readSync(...args);
};
syncBuiltinESMExports();
`;

/** An environment in which every read of a file takes a while: so that there is time to show, or to stop, something. */
export function slowReads(sandbox: Sandbox): Record<string, string> {
  sandbox.write({ "slow-reads.mjs": SOURCE });
  return { NODE_OPTIONS: `--import=file://${sandbox.path("slow-reads.mjs")}` };
}
