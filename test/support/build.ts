import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dirname, "..", "..");

/** Before all tests: the command line that they run is the one of this tree. */
export default function setup(): void {
  const built = join(root, "dist", "main.js");
  const inputs = ["src", "scripts/build.mjs", "package.json"].map((path) => newest(join(root, path)));
  // Not without need: another run of the tests may be using the files that a build replaces.
  if (existsSync(built) && Math.max(...inputs) < statSync(built).mtimeMs) return;
  execFileSync(process.execPath, [join(root, "scripts", "build.mjs")], { cwd: root, stdio: "inherit" });
}

function newest(path: string): number {
  const stats = statSync(path);
  if (!stats.isDirectory()) return stats.mtimeMs;
  return Math.max(stats.mtimeMs, ...readdirSync(path).map((name) => newest(join(path, name))));
}
