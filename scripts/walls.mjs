// Holds the import walls between the rooms of src/: a room imports only what the table allows.
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";

/** Which rooms each room may import, besides itself. What flows goes one way: see CONTRIBUTING.md. */
const ALLOWED = {
  support: [],
  filesystems: ["support"],
  disks: ["support"],
  hypervisors: ["support", "disks"],
  elf: ["support", "filesystems"],
  linker: ["support", "filesystems", "elf"],
  kernels: ["support", "filesystems", "disks", "elf"],
  distributions: ["support", "filesystems"],
  project: ["support", "filesystems", "disks"],
  config: ["support", "project"],
  packages: ["support", "filesystems", "project"],
  store: ["support", "filesystems", "disks", "project", "packages"],
  remotes: ["support", "filesystems", "project", "packages", "store"],
  hosting: ["support", "filesystems", "disks", "project", "packages", "store", "remotes"],
  programs: ["support", "filesystems", "project", "elf", "linker", "kernels", "distributions"],
  check: ["support", "filesystems", "project", "elf", "linker", "kernels", "distributions", "programs"],
  compose: [
    "support",
    "filesystems",
    "disks",
    "hypervisors",
    "project",
    "elf",
    "linker",
    "kernels",
    "distributions",
    "programs",
    "check",
    "packages",
    "store",
  ],
  exports: ["support", "disks", "packages"],
  images: ["support", "filesystems", "disks", "elf", "distributions", "programs", "store", "compose"],
  instances: ["support", "filesystems", "disks", "hypervisors", "store"],
  services: ["support", "project", "hypervisors", "instances"],
  cli: [
    "support",
    "filesystems",
    "disks",
    "hypervisors",
    "project",
    "config",
    "elf",
    "linker",
    "kernels",
    "distributions",
    "programs",
    "check",
    "packages",
    "store",
    "compose",
    "remotes",
    "hosting",
    "instances",
    "services",
    "exports",
    "images",
  ],
};

/** What only cli/ may touch, and what to use instead. */
const FORBIDDEN = [
  [/\bprocess\.(argv|env|exit|stdout|stderr|stdin|cwd|on|exitCode)\b/, "take it from the Context"],
  [/\bDate\.now\(\)|\bnew Date\(\)/, "use context.now()"],
];

const source = join(dirname(fileURLToPath(import.meta.url)), "..", "src");
const problems = [];

for (const file of files(source)) {
  const path = relative(source, file);
  const room = path.split(sep)[0];
  const allowed = ALLOWED[room];
  if (allowed === undefined) {
    problems.push(`src/${path}: the room '${room}' is not in the table of scripts/walls.mjs`);
    continue;
  }
  const text = readFileSync(file, "utf8");
  const lines = text.split("\n");
  lines.forEach((line, index) => {
    for (const [, target] of line.matchAll(/(?:from\s+|import\(\s*|^import\s+)"(\.{1,2}\/[^"]+)"/g)) {
      const to = relative(source, resolve(dirname(file), target)).split(sep)[0];
      if (to !== room && !allowed.includes(to)) {
        const may = allowed.length > 0 ? allowed.join(", ") : "nothing";
        problems.push(`src/${path}:${index + 1}: ${room}/ must not import ${to}/; it may import ${may}`);
      }
    }
    if (room === "cli" || /^\s*(\*|\/\/|\/\*)/.test(line)) return;
    for (const [pattern, instead] of FORBIDDEN) {
      if (pattern.test(line)) problems.push(`src/${path}:${index + 1}: ${line.trim()}: ${instead}`);
    }
  });
}

for (const problem of problems) console.error(problem);
console.error(problems.length === 0 ? "walls: hold" : `walls: ${problems.length} breaches`);
process.exit(problems.length === 0 ? 0 : 1);

function* files(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* files(path);
    else if (entry.name.endsWith(".ts")) yield path;
  }
}
