import { mkdirSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { HELD_BY_MODES, lacksModes, testUnless } from "../support/machine.ts";
import { Sandbox, STACK } from "../support/sandbox.ts";

const sandbox = new Sandbox();

beforeAll(async () => {
  sandbox.write({ "root/hello": "hello\n" });
  await sandbox.ok(["compose", "ready", "root", "-l", "builtin", "-c", "/hello"]);
});

afterAll(() => sandbox.remove());

/** A line, its exit code, and words of its message and its advice. */
type Session = readonly [line: string, code: number, error: string, advice: string];

describe.concurrent.each<{ readonly kind: string; readonly sessions: readonly Session[] }>([
  {
    kind: "64: the command line is wrong",
    sessions: [
      ["imges", 64, "Unknown command 'imges'. Did you mean 'images'?", "capstan help"],
      ["images --jsn", 64, "Unknown flag '--jsn'", "capstan images --help"],
      ["package compose", 64, "needs <name>", "capstan package compose --help"],
      ["compose x root --fs typo", 64, "'typo' is not a value of --fs", "Choose one of: rofs"],
      ["compose x root --size 10X -l builtin", 64, "--size", ""],
      ["rmi ../x", 64, "'../x' cannot be the name of an image", "NAMESPACE/NAME"],
      ["rmi /x", 64, "'/x' cannot be the name of an image", "NAMESPACE/NAME"],
      ["compose a/b/c root -l builtin -c /x", 64, "'a/b/c' cannot be the name of an image", "NAMESPACE/NAME"],
      ["compose .x root -l builtin -c /x", 64, "'.x' cannot be the name of an image", "NAMESPACE/NAME"],
      ["runtime init", 64, "--runtime is missing", "native, node, java, python"],
      ["runtime preview -r nod", 64, "There is no runtime 'nod'. Did you mean 'node'?", "native, node, java, python"],
      ["package init", 64, "needs --name, --title, --author", "capstan package init -n"],
      ["run ready -m 2", 64, "2", "-m 512M"],
      ["run ready -c 0", 64, "'0' processors", "1 to 64"],
      ["run ready --mac zz", 64, "zz", ""],
      ["run ready --env A", 64, "the '=' is missing", "NAME=VALUE"],
      ["run ready --kernel a --no-kernel", 64, "exclude each other", ""],
      ["run ready -b virbr0", 64, "--bridge goes with --network", "-n bridge"],
      ["run ready -l builtin", 64, "an image is named", ""],
      ["run ready --volume x:colour=red", 64, "colour", ""],
      ["stop x --time soon", 64, "'soon' is not a number of seconds", "--time 30"],
    ],
  },
  {
    kind: "65: the data is wrong",
    sessions: [
      ["image cat ready /", 65, "/ is a directory of the image", "capstan image ls"],
      ["image tree ready /hello", 65, "/hello is not a directory", "capstan image cat"],
      ["import x root/hello", 65, "root/hello", ""],
      ["package import root/hello", 65, "root/hello", ""],
      ["image ls ./root/hello", 65, "", ""],
    ],
  },
  {
    kind: "66: what is named is not there",
    sessions: [
      ["image ls nope", 66, "There is no image 'nope'", "capstan images"],
      ["image ls redy", 66, "There is no image 'redy'", "Did you mean 'ready'?"],
      ["image ls ./nope.img", 66, "nope.img", ""],
      ["image cat ready /nope", 66, "There is no /nope in the image", "capstan image tree"],
      ["run nope", 66, "There is no image 'nope'", "capstan images"],
      ["rmi nope", 66, "There is no image 'nope'", ""],
      ["stop nope", 66, "There is no instance nope", "capstan instances"],
      ["delete nope", 66, "There is no instance nope", "capstan instances"],
      ["package describe nope", 66, "There is no package 'nope'", ""],
      ["package compose x", 66, "Not a Capstan package: there is no meta/package.yaml", "capstan package init"],
      ["package build", 66, "Not a Capstan package", "capstan package init"],
      ["package import nowhere", 66, "nowhere", ""],
      ["run", 66, "neither a Capstanfile nor a meta/package.yaml", "capstan init"],
      ["compose x nowhere -l builtin", 66, "nowhere", ""],
      ["compose x root", 66, "There is no loader 'osv-loader'", "--loader_image builtin"],
      ["compose x root -l bultin", 66, "Did you mean 'builtin'?", "capstan import bultin"],
      ["run ready --kernel nope.elf", 66, "nope.elf does not exist", "--kernel"],
      ["run ready --volume nope.img", 66, "nope.img", ""],
      ["import x nope.img", 66, "nope.img", ""],
    ],
  },
])("exit code $kind", ({ sessions }) => {
  test.each(sessions)("$ capstan %s", async (line, code, error, advice) => {
    const result = await sandbox.run(line.split(" "));
    expect(result.stderr).not.toMatch(STACK);
    expect(result.stderr).toMatch(/^Error: /);
    expect(result.stderr).toContain(error);
    expect(result.stderr).toContain(advice);
    expect(result.code).toBe(code);
    expect(result.stdout).toBe("");
  });
});

test("69: QEMU is not there", async () => {
  const { code, stderr, stdout } = await sandbox.run(["run", "ready"], {
    env: { PATH: "/nonexistent", CAPSTAN_QEMU_PATH: "/nonexistent/qemu" },
  });
  expect([code, stdout]).toEqual([69, ""]);
  expect(stderr).toContain("/nonexistent/qemu");
});

test("69: an acceleration is forced that this machine does not have", async () => {
  const accel = process.platform === "darwin" ? "kvm" : "hvf";
  const { code, stderr } = await sandbox.run(["run", "ready", "--accel", accel]);
  expect(code).toBe(69);
  expect(stderr.toLowerCase()).toContain(accel);
});

testUnless(lacksModes())("71: the operating system refuses", async () => {
  mkdirSync(sandbox.path("locked"), { mode: 0o000 });
  const env = { CAPSTAN_ROOT: sandbox.path("locked", "store") };
  const { code, stderr } = await sandbox.run(["images"], { through: HELD_BY_MODES, env, cwd: "/" });
  expect(code).toBe(71);
  expect(stderr).toContain("permission denied");
  expect(stderr).toContain("locked");
});

test("73: something is in the way", async () => {
  const folder = sandbox.project("taken");
  const args = ["package", "init", "-n", "taken", "-t", "x", "-a", "x"];
  const { code, stderr } = await sandbox.run(args, { cwd: folder });
  expect(code).toBe(73);
  expect(stderr).toContain("meta/package.yaml exists already");
  expect(stderr).toContain("--force");
  await sandbox.ok([...args, "--force"], { cwd: folder });
});

test("73: `image cp` replaces a file only with --force, and a folder never", async () => {
  sandbox.write({ "out/hello": "old", "root2/dir/x": "x", "out/dir/keep": "keep" });
  expect((await sandbox.run(["image", "cp", "ready", "/hello", "out/hello"])).code).toBe(73);
  await sandbox.ok(["image", "cp", "ready", "/hello", "out/hello", "--force"]);
  await sandbox.ok(["compose", "two", "root2", "-l", "builtin", "-c", "/x"]);
  expect((await sandbox.run(["image", "cp", "two", "/dir", "out", "--force"])).code).toBe(73);
});

test("a setting of the environment that means nothing is told, not passed over", async () => {
  const { code, stderr } = await sandbox.run(["config", "print"], { env: { CAPSTAN_DISABLE_KVM: "perhaps" } });
  expect(code).toBe(65);
  expect(stderr).toContain("CAPSTAN_DISABLE_KVM is 'perhaps'");
});
