// `npm run demo`: sets up, composes examples/hello before your eyes, and boots it.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { root, setUp } from "./setup.mjs";

setUp(["qemu"]);

const store = resolve(process.env.CAPSTAN_ROOT || join(process.env.HOME || homedir(), ".capstan"));
const hasLoader = ["osv-loader", "mike/osv-loader"].some((name) =>
  existsSync(join(store, "repository", name, "osv-loader.qemu")),
);
const [loader, set] = hasLoader ? ["osv-loader", "default"] : ["builtin", "static"];
const project = join(root, "examples", "hello");

console.log(
  hasLoader
    ? "demo: the kernel is the OSv loader of your store (osv-loader)."
    : "demo: the kernel is Capstan's built-in demo kernel, since the store has no OSv loader. It is not OSv.",
);
capstan("package", "compose", "capstan-demo", "--loader_image", loader, "--boot", set, "--verbose");
capstan("image", "inspect", "capstan-demo");
capstan("image", "tree", "capstan-demo");
capstan("run", "capstan-demo", "--memory", "256M", "--cpus", "1");

// The same in one line, for a program that nobody prepared: what it loads is found by reading it.
const program = process.platform === "linux" && process.arch === "x64" ? "/bin/ls" : undefined;
// OSv has no extended attributes, which `ls -l` asks for.
const words = hasLoader ? ["/"] : ["-l", "/"];
if (program !== undefined) {
  capstan("run", program, "--loader_image", loader, "--dry-run");
  capstan("run", program, "--loader_image", loader, "--memory", "256M", "--cpus", "1", "--", ...words);
}
console.log(
  "\ndemo: done. One virtual machine was composed from examples/hello" +
    (program === undefined ? "" : `, another from ${program} of this machine`) +
    "; go on with the walkthrough in README.md.",
);

function capstan(...args) {
  console.log(`\n$ capstan ${args.join(" ")}`);
  const result = spawnSync(process.execPath, [join(root, "bin", "capstan"), ...args], {
    cwd: project,
    // The commands run in another folder than this one, and a relative path would lead elsewhere there.
    env: { ...process.env, CAPSTAN_ROOT: store },
    stdio: "inherit",
  });
  if (result.status !== 0) {
    console.error(`demo: that failed (exit code ${result.status}).`);
    process.exit(result.status ?? 1);
  }
}
