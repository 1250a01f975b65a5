// What only some tests need, and what no test fails without: a browser, and other implementations of the formats that are written.
// Where something of it is not to be had, its tests are skipped, and why is said here.
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { delimiter, join } from "node:path";
import { findProgram, root, say } from "./setup.mjs";

/** Kept from one time to the next; to be deleted at will. */
const cache = join(root, ".cache", "test-programs");

/** Programs that run from where they are unpacked, and the packages of Debian and Ubuntu that have them. */
const UNPACKED = { zdb: "zfsutils-linux", "grub-fstest": "grub-common" };

const DOWNLOAD_SECONDS = 180;

/** Returns the environment for the tests. CAPSTAN_TEST_EXTRAS=no leaves all of it out. */
export function provideExtras() {
  if (process.env.CAPSTAN_TEST_EXTRAS === "no") return process.env;
  const failed = readFailures();
  attempt("chromium", failed, installChromium);
  const missing = Object.keys(UNPACKED).filter((name) => findProgram(name) === undefined && !isUnpacked(name));
  if (missing.length > 0) attempt(missing.join(" and "), failed, () => unpack(missing));
  const path = [process.env.PATH, join(cache, "bin")].join(delimiter);
  return { ...process.env, PATH: path };
}

/** Why it is not to be had is remembered for a day, so that not every run of the tests waits for the same answer. */
function attempt(what, failed, provide) {
  if (failed[what] !== undefined) return say(`${what}: ${failed[what]}; its tests are skipped`);
  try {
    provide();
  } catch (error) {
    const reason = error instanceof Reason ? error.message : String(error);
    say(`${what}: ${reason}; its tests are skipped`);
    mkdirSync(cache, { recursive: true });
    writeFileSync(failuresPath, JSON.stringify({ ...failed, [what]: reason, since: failed.since ?? Date.now() }));
  }
}

class Reason extends Error {}

const failuresPath = join(cache, "not-to-be-had.json");

function readFailures() {
  try {
    const failures = JSON.parse(readFileSync(failuresPath, "utf8"));
    return Date.now() - failures.since < 24 * 60 * 60 * 1000 ? failures : {};
  } catch {
    return {};
  }
}

/** Debian's: that of Ubuntu is only a word to get a snap, which does not run in a container. */
function installChromium() {
  if (findProgram("chromium") !== undefined || findProgram("chromium-browser") !== undefined) return;
  const { id } = distribution();
  if (id !== "debian") throw new Reason(`only Debian's package is installed from here, and this is ${id}`);
  const isRoot = process.getuid?.() === 0;
  if (!isRoot && spawnSync("sudo", ["-n", "true"]).status !== 0) {
    throw new Reason("as root, run: apt-get install chromium");
  }
  const apt = (args, seconds) => {
    const line = ["apt-get", "-qq", "-y", "--no-install-recommends", ...args];
    const [program, ...rest] = isRoot ? line : ["sudo", "-n", "env", "DEBIAN_FRONTEND=noninteractive", ...line];
    run(program, rest, { seconds, env: { DEBIAN_FRONTEND: "noninteractive" } });
  };
  say("installing chromium for the tests of the web pages …");
  // Only what is downloaded may be stopped without harm.
  apt(["update"], DOWNLOAD_SECONDS);
  apt(["install", "--download-only", "chromium"], DOWNLOAD_SECONDS);
  apt(["install", "--no-download", "chromium"], undefined);
  if (findProgram("chromium") === undefined) throw new Reason("apt-get installs it, and it is not there");
}

function isUnpacked(name) {
  return existsSync(join(cache, "bin", name));
}

/**
 * Packages that are downloaded and unpacked, not installed: ZFS would bring a module for the kernel and services. Its package is in
 * a part of Debian that is not set up by default, so that apt is given lists of its own; it checks signatures and digests as ever.
 */
function unpack(names) {
  if (findProgram("apt-get") === undefined) throw new Reason("only packages of apt are unpacked from here");
  mkdirSync(cache, { recursive: true });
  const work = mkdtempSync(join(cache, "work-"));
  try {
    for (const folder of ["lists/partial", "archives/partial"]) mkdirSync(join(work, folder), { recursive: true });
    writeFileSync(join(work, "sources.list"), sources());
    const settings = {
      "Dir::Etc::SourceList": join(work, "sources.list"),
      "Dir::Etc::SourceParts": "-",
      "Dir::State::Lists": join(work, "lists"),
      "Dir::Cache::Archives": join(work, "archives"),
      "Dir::Cache::pkgcache": "",
      "Dir::Cache::srcpkgcache": "",
      "Debug::NoLocking": "1",
      "APT::Sandbox::User": "",
      "Acquire::Languages": "none",
      "APT::Update::Error-Mode": "any",
    };
    const options = Object.entries(settings).flatMap(([key, value]) => ["-o", `${key}=${value}`]);
    const apt = (...args) => run("apt-get", ["-qq", ...options, ...args], { seconds: DOWNLOAD_SECONDS });
    say(`fetching ${names.join(" and ")} for the tests …`);
    apt("update");
    const packages = names.map((name) => UNPACKED[name]);
    apt("install", "-y", "--download-only", "--no-install-recommends", ...packages);
    const system = join(work, "system");
    for (const file of readdirSync(join(work, "archives")).filter((name) => name.endsWith(".deb"))) {
      run("dpkg-deb", ["-x", join(work, "archives", file), system], {});
    }
    rmSync(join(cache, "system"), { recursive: true, force: true });
    renameSync(system, join(cache, "system"));
    for (const name of names) wrap(name);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** Its libraries are for it alone. */
function wrap(name) {
  const system = join(cache, "system");
  const program = ["usr/sbin", "sbin", "usr/bin", "bin"].map((folder) => join(system, folder, name)).find(existsSync);
  if (program === undefined) throw new Reason(`${UNPACKED[name]} has no ${name}`);
  const triplets = readdirSync(join(system, "usr", "lib")).filter((folder) => folder.endsWith("-linux-gnu"));
  const libraries = ["usr/lib", "lib"].flatMap((folder) => [folder, ...triplets.map((one) => `${folder}/${one}`)]);
  const path = libraries.map((folder) => join(system, folder)).join(":");
  const file = join(cache, "bin", name);
  const script = `#!/bin/sh\nLD_LIBRARY_PATH='${path}' exec '${program}' "$@"\n`;
  mkdirSync(join(cache, "bin"), { recursive: true });
  writeFileSync(`${file}.new`, script);
  chmodSync(`${file}.new`, 0o755);
  const { error, stderr } = spawnSync(`${file}.new`, ["--help"], { encoding: "utf8" });
  if (error !== undefined || /error while loading|not found|cannot execute/i.test(stderr)) {
    rmSync(`${file}.new`);
    throw new Reason(`${name} does not run: ${lastLine(stderr)}`);
  }
  renameSync(`${file}.new`, file);
}

/** The distribution's own places, with the parts that ZFS is in. */
function sources() {
  const { id, codename } = distribution();
  const parts = { debian: "main contrib", ubuntu: "main universe" }[id];
  if (parts === undefined || codename === undefined)
    throw new Reason(`only Debian and Ubuntu are known here, and this is ${id}`);
  const { stdout } = spawnSync(
    "apt-get",
    ["indextargets", "--format", "$(REPO_URI) $(CODENAME) $(SIGNED_BY)", "Identifier: Packages"],
    { encoding: "utf8" },
  );
  const lines = (stdout ?? "").split("\n").map((line) => line.split(" "));
  const own = lines.find(([uri, release]) => /\/(?:debian|ubuntu|ubuntu-ports)\/$/.test(uri) && release === codename);
  const uri = own?.[0] ?? `http://${id === "debian" ? "deb.debian.org" : "archive.ubuntu.com"}/${id}`;
  const keys = [own?.[2] ?? "", `/usr/share/keyrings/${id}-archive-keyring.gpg`].find((path) => existsSync(path));
  return `deb ${keys === undefined ? "" : `[signed-by=${keys}] `}${uri} ${codename} ${parts}\n`;
}

function distribution() {
  try {
    const text = readFileSync("/etc/os-release", "utf8");
    const field = (key) => new RegExp(`^${key}="?([^"\\n]*)`, "m").exec(text)?.[1];
    return { id: field("ID") ?? "an unknown system", codename: field("VERSION_CODENAME") };
  } catch {
    return { id: process.platform, codename: undefined };
  }
}

function run(program, args, { seconds, env = {} }) {
  const result = spawnSync(program, args, {
    encoding: "utf8",
    timeout: seconds === undefined ? undefined : seconds * 1000,
    env: { ...process.env, LC_ALL: "C", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  if (result.status === 0) return;
  const what = [program, ...args].find((word, at) => at > 0 && /^[a-z]/.test(word) && !word.includes("=")) ?? "";
  if (result.error?.code === "ETIMEDOUT") throw new Reason(`${program} ${what} took more than ${seconds} s`);
  throw new Reason(`${program} ${what} failed: ${lastLine(result.stderr || result.stdout) || result.error?.message}`);
}

function lastLine(text) {
  return (text ?? "").trim().split("\n").at(-1) ?? "";
}
