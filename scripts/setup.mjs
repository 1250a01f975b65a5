// Brings a machine to where the demo and the tests run: programs of the distribution, npm packages, the build.
// Plain JavaScript without dependencies, since it runs before anything is installed. Quick when nothing is missing.
import { spawnSync } from "node:child_process";
import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  lstatSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = join(dirname(fileURLToPath(import.meta.url)), "..");

/** Programs, and the package that brings each on the package managers that this script knows. */
const PROGRAMS = {
  qemu: { probe: ["qemu-system-x86_64"], apt: "qemu-system-x86", dnf: "qemu-system-x86-core", brew: "qemu" },
  "qemu-img": { probe: ["qemu-img"], apt: "qemu-utils", dnf: "qemu-img", brew: "qemu" },
  gcc: { probe: ["gcc"], apt: "gcc", dnf: "gcc", brew: "gcc" },
  libc: {
    probe: ["/usr/lib/x86_64-linux-gnu/libc.a", "/usr/lib64/libc.a", "/usr/lib/libSystem.dylib"],
    apt: "libc6-dev",
    dnf: "glibc-static",
    brew: "gcc",
  },
  tar: { probe: ["tar"], apt: "tar", dnf: "tar", brew: "gnu-tar" },
  python3: { probe: ["python3"], apt: "python3", dnf: "python3", brew: "python" },
};

const MANAGERS = [
  {
    name: "apt",
    program: "apt-get",
    sudo: true,
    // The package lists of a fresh container are empty or old.
    prepare: ["update", "-qq"],
    install: ["install", "-y", "-qq", "--no-install-recommends"],
    env: { DEBIAN_FRONTEND: "noninteractive" },
  },
  { name: "dnf", program: "dnf", sudo: true, install: ["install", "-y", "-q"], env: {} },
  { name: "brew", program: "brew", sudo: false, install: ["install", "--quiet"], env: {} },
];

export function say(text) {
  console.error(`setup: ${text}`);
}

/** Installs what is missing; ends the process with a sentence when it cannot. */
export function setUp(needed) {
  checkNode();
  installPrograms(needed);
  installModules();
  build();
}

function checkNode() {
  const [major, minor] = process.versions.node.split(".").map(Number);
  if (major > 20 || (major === 20 && minor >= 19)) return;
  fail(`Node ${process.versions.node} is too old: Capstan needs 20.19 or newer. See https://nodejs.org/.`);
}

function installPrograms(needed) {
  const missing = needed.filter((name) => !PROGRAMS[name].probe.some(isThere));
  if (missing.length === 0) return;
  const manager = MANAGERS.find(({ program }) => findProgram(program) !== undefined);
  if (manager === undefined) {
    fail(
      `These programs are missing: ${missing.join(", ")}. Install them with your system's package manager, then run this again.`,
    );
  }
  const packages = [...new Set(missing.map((name) => PROGRAMS[name][manager.name]))];
  const isRoot = process.getuid?.() === 0;
  const elevate = manager.sudo && !isRoot;
  const command = [manager.program, ...manager.install, ...packages];
  if (elevate && findProgram("sudo") === undefined) {
    const prepare = manager.prepare === undefined ? "" : `${manager.program} update && `;
    fail(`These programs are missing: ${missing.join(", ")}. As root, run: ${prepare}${command.join(" ")}`);
  }
  say(`installing ${packages.join(", ")} with ${manager.name}${elevate ? " (sudo)" : ""} …`);
  const environment = Object.entries(manager.env).map(([key, value]) => `${key}=${value}`);
  const log = join(mkdtempSync(join(tmpdir(), "capstan-setup-")), "log");
  const run = (args) => {
    const line = [manager.program, ...args];
    const [program, ...rest] = elevate ? ["sudo", "env", ...environment, ...line] : line;
    const output = openSync(log, "a");
    const result = spawnSync(program, rest, {
      stdio: ["inherit", output, output],
      env: { ...process.env, ...manager.env },
    });
    closeSync(output);
    return result.status;
  };
  if (manager.prepare !== undefined && run(manager.prepare) !== 0) {
    say("the package lists could not be refreshed; trying with what is there");
  }
  if (run([...manager.install, ...packages]) !== 0) {
    console.error(readFileSync(log, "utf8").split("\n").slice(-30).join("\n"));
    fail(`The installation failed; all it said is in ${log}. Run it by hand: ${command.join(" ")}`);
  }
  rmSync(dirname(log), { recursive: true });
}

function installModules() {
  // npm writes this file when it has finished, so a lock file that is newer has not been installed.
  const installed = join(root, "node_modules", ".package-lock.json");
  if (existsSync(installed) && statSync(installed).mtimeMs >= statSync(join(root, "package-lock.json")).mtimeMs) return;
  // npm would empty what a link leads to, which may be the modules of another checkout.
  if (lstatSync(join(root, "node_modules"), { throwIfNoEntry: false })?.isSymbolicLink() === true) {
    fail(
      "node_modules is a link, and what it leads to is not of this package-lock.json: remove the link, then run this again.",
    );
  }
  say("installing the npm packages …");
  const result = spawnSync("npm", ["ci", "--no-fund", "--no-audit"], { cwd: root, stdio: ["ignore", 2, 2] });
  if (result.status !== 0) fail("`npm ci` failed; its messages are above.");
}

function build() {
  const built = join(root, "dist", "main.js");
  const inputs = [join(root, "src"), join(root, "scripts", "build.mjs"), join(root, "package.json")];
  if (existsSync(built) && Math.max(...inputs.map(newest)) <= statSync(built).mtimeMs) return;
  say("building …");
  const result = spawnSync(process.execPath, [join(root, "scripts", "build.mjs")], {
    cwd: root,
    stdio: ["ignore", 2, 2],
  });
  if (result.status !== 0) fail("The build failed; its messages are above.");
}

function newest(path) {
  const stats = statSync(path);
  if (!stats.isDirectory()) return stats.mtimeMs;
  return Math.max(stats.mtimeMs, ...readdirSync(path).map((name) => newest(join(path, name))));
}

function isThere(probe) {
  return probe.startsWith("/") ? existsSync(probe) : findProgram(probe) !== undefined;
}

export function findProgram(name) {
  for (const folder of (process.env.PATH ?? "").split(delimiter)) {
    const path = join(folder, name);
    try {
      accessSync(path, constants.X_OK);
      if (statSync(path).isFile()) return path;
    } catch {
      // not in this folder
    }
  }
  return undefined;
}

export function fail(text) {
  say(text);
  process.exit(69);
}
