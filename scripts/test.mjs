// `npm test`: sets up, then runs every test. Ends with the line `N passed, N failed`.
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { provideExtras } from "./extras.mjs";
import { root, setUp } from "./setup.mjs";

setUp(["qemu", "qemu-img", "gcc", "libc", "tar", "python3"]);
const env = provideExtras();
const vitest = join(root, "node_modules", "vitest", "vitest.mjs");
const args = [vitest, "run", ...process.argv.slice(2)];
const result = spawnSync(process.execPath, args, { cwd: root, env, stdio: "inherit" });
process.exit(result.status ?? 1);
