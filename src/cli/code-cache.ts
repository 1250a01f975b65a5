/** The last step of a build: runs some commands, and keeps the code that V8 compiled for them. Arguments: the script, an empty folder. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { runCached, tuneEngine } from "./cached-script.ts";

const [path = "", folder = ""] = process.argv.slice(2);
const installation = fileURLToPath(new URL("..", import.meta.url));

/** What people do most, as far as it takes nothing that may be missing. */
const COMMANDS: readonly (readonly string[])[] = [
  ["compose", "warm", join(folder, "files"), "--loader_image", "builtin", "--command_line", "/program", "--no-check"],
  ["images"],
  ["instances"],
  ["run", "warm", "--dry-run"],
];

tuneEngine();
process.env.CAPSTAN_ROOT = join(folder, "root");
mkdirSync(join(folder, "files"));
writeFileSync(join(folder, "files", "program"), "");
const { exports, keepCode } = runCached<typeof import("./edge.ts")>(path);
for (const command of COMMANDS) await exports.main([...command, "--quiet"], { version: "build", installation });
keepCode();
// The signal handlers of the commands would keep the process.
process.exit(0);
