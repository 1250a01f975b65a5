import { execFileSync } from "node:child_process";
import { join } from "node:path";

/** Before all tests: the command line that they run is the one of this tree. */
export default function setup(): void {
  const root = join(import.meta.dirname, "..", "..");
  execFileSync(process.execPath, [join(root, "scripts", "build.mjs")], { cwd: root, stdio: "inherit" });
}
