import { chmodSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { loadCapstanfile } from "../../src/project/capstanfile.ts";
import { readManifestFile } from "../../src/project/manifest.ts";
import { readRunConfigFile } from "../../src/project/run-config.ts";
import { lacksGuests } from "../support/guest.ts";
import { describeUnless, lacksProgram } from "../support/machine.ts";
import { repository, Sandbox, STACK } from "../support/sandbox.ts";

const sandbox = new Sandbox();
afterAll(() => sandbox.remove());

const program = readFileSync(join(repository, "examples", "hello", "hello-static"));

let number = 0;
let folder = "";
beforeEach(() => {
  folder = sandbox.path(`case-${++number}`);
  mkdirSync(folder);
});

const write = (files: Readonly<Record<string, string | Uint8Array>>) => sandbox.write(files, folder);
const init = (...args: readonly string[]) => sandbox.run(["init", ...args], { cwd: folder });
const written = () => readFileSync(join(folder, "Capstanfile"), "utf8").split("\n").slice(1, -1);

type Files = Readonly<Record<string, string | Uint8Array>>;

describe("what is in the folder", () => {
  test.each<[string, Files, readonly string[]]>([
    ["a Node.js project", { "package.json": '{"main": "srv.js"}', "srv.js": "" }, ['program: "."']],
    [
      "one whose modules are not there yet",
      { "package.json": "{}", "index.js": "", "package-lock.json": "{}" },
      ["build: npm ci --omit=dev", 'program: "."'],
    ],
    [
      "a Rust program",
      { "Cargo.toml": '[package]\nname = "web-srv"\nversion = "0.1.0"\n[dependencies]\nname = "other"\n' },
      ["build: cargo build --release", "program: target/release/web-srv"],
    ],
    [
      "a Rust program of another name",
      { "Cargo.toml": '[package]\nname = "web"\n\n[[bin]] # the only one\nname = "webd"\n' },
      ["build: cargo build --release", "program: target/release/webd"],
    ],
    [
      "a Go program",
      { "go.mod": "module example.com/tools/serve/v2\n\ngo 1.22\n", "main.go": "package main\n" },
      ["build: go build -buildmode=pie -o build/serve .", "program: build/serve"],
    ],
    [
      "a Go program of cmd/",
      { "go.mod": "module example.com/x\n", "lib.go": "package x\n", "cmd/srv/main.go": "package main\n" },
      ["build: go build -buildmode=pie -o build/srv ./cmd/srv", "program: build/srv"],
    ],
    ["a jar", { "app.jar": "PK\x03\x04" }, ["program: app.jar"]],
    [
      "a Maven project",
      {
        "pom.xml":
          "<project><parent><artifactId>p</artifactId><version>9</version></parent><artifactId>srv</artifactId><version>1.2</version></project>",
      },
      ["build: mvn -q package -DskipTests", "program: target/srv-1.2.jar"],
    ],
    ["a Python program", { "app.py": "print()\n" }, ["program: app.py"]],
    ["a Python package", { "__main__.py": "print()\n", "other.py": "" }, ['program: "."']],
    [
      "a Django project",
      { "manage.py": "print()\n" },
      ["program: manage.py", "args:", "- runserver", "- --noreload", "- 0.0.0.0:8000"],
    ],
    ["an ELF program", { "bin/server": program, "libx.so": program }, ["program: bin/server"]],
  ])("%s", async (_, files, expected) => {
    write(files);
    for (const name of Object.keys(files)) if (files[name] === program) chmodSync(join(folder, name), 0o755);
    const { code, stderr } = await init();
    expect({ code, stderr }).toEqual({ code: 0, stderr: expect.stringContaining("Wrote") });
    expect(written()).toEqual(["base: osv-loader", ...expected]);
    expect(stderr).not.toContain("Warning");
  });

  test("web pages, and nothing beside them", async () => {
    write({ "index.html": "<p>", "[x].css": "", "img/a.png": "", ".git/config": "", "README.md": "" });
    expect((await init()).code).toBe(0);
    const { layers, cmdline } = loadCapstanfile(join(folder, "Capstanfile"), { cwd: folder });
    expect(layers[0]?.files.map(({ target }) => target)).toEqual([
      "/etc/lighttpd.conf",
      "/srv/www/[x].css",
      "/srv/www/img",
      "/srv/www/index.html",
    ]);
    expect(cmdline).toBe("/usr/sbin/lighttpd -D -f /etc/lighttpd.conf");
    expect(readFileSync(join(folder, "lighttpd.conf"), "utf8")).toContain('server.document-root = "/srv/www"');
  });

  test("web pages of a generator", async () => {
    write({ "dist/index.html": "<p>", "src/index.html": "" });
    expect((await init()).code).toBe(0);
    expect(written()).toContain("  /srv/www: dist");
  });

  test.each<[string, Files, number, string]>([
    ["nothing", {}, 66, "nothing that Capstan knows"],
    ["a workspace of Rust", { "Cargo.toml": '[workspace]\nmembers = ["a"]\n' }, 65, "names no package"],
    ["a Node.js project that starts nothing", { "package.json": "{}" }, 65, "package.json"],
    ["one that cannot be read", { "package.json": "{" }, 65, "is not valid JSON"],
    ["only a library", { "libx.so": program }, 66, "nothing that Capstan knows"],
  ])("%s: an error, and nothing is written", async (_, files, expected, message) => {
    write(files);
    const { code, stderr } = await init();
    expect({ code, stderr }).toEqual({ code: expected, stderr: expect.stringContaining(message) });
    expect(stderr).not.toMatch(STACK);
    expect(sandbox.files(`case-${number}`)).not.toContain("Capstanfile");
  });
});

describe("several things", () => {
  beforeEach(() => {
    write({ "package.json": "{}", "index.js": "", "app.py": "print()\n", server: program });
    chmodSync(join(folder, "server"), 0o755);
  });

  test("without a terminal the first is taken, and the others are told", async () => {
    const { code, stderr } = await init();
    expect(code).toBe(0);
    expect(stderr).toContain(
      "Taking the Node.js project of package.json; there is also the Python program app.py, the program server.",
    );
    expect(written()).toContain('program: "."');
  });

  test.each([
    [["--kind", "python"], "program: app.py"],
    [["--program", "server"], "program: server"],
    [["--kind", "elf", "--base", "mine"], "base: mine"],
  ])("%j chooses", async (flags, line) => {
    expect((await init(...flags)).code).toBe(0);
    expect(written()).toContain(line);
  });

  describeUnless(lacksProgram("script"))("on a terminal", () => {
    test.each([
      ["2\n", "program: app.py"],
      ["\n", 'program: "."'],
      ["9\nx\n3\n", "program: server"],
    ])("%j answers the question", async (input, line) => {
      const { code, stdout } = await sandbox.terminal(["init"], { cwd: folder, input });
      expect({ code, stdout }).toEqual({ code: 0, stdout: expect.stringContaining("  2  the Python program app.py") });
      expect(written()).toContain(line);
    });

    test("what is there is only replaced with a yes", async () => {
      write({ Capstanfile: "mine" });
      const no = await sandbox.terminal(["init", "--kind", "elf"], { cwd: folder, input: "n\n" });
      expect(no.code).toBe(73);
      expect(readFileSync(join(folder, "Capstanfile"), "utf8")).toBe("mine");
      const yes = await sandbox.terminal(["init", "--kind", "elf"], { cwd: folder, input: "y\n" });
      expect(yes.code).toBe(0);
      expect(written()).toContain("program: server");
    });
  });

  test.each([
    ["nowhere", "There is no folder"],
    ["app.py", "is not a folder"],
  ])("in %s: %s", async (path, text) => {
    const { code, stderr } = await init(path);
    expect([code, stderr]).toEqual([66, expect.stringContaining(text)]);
  });

  test("a kind that is not there: what is there is told", async () => {
    const { code, stderr } = await init("--kind", "go");
    expect([code, stderr]).toEqual([
      66,
      expect.stringContaining("nothing of the kind go, but the Node.js project of package.json, "),
    ]);
  });

  test("what is there is kept, unless --force says otherwise", async () => {
    write({ Capstanfile: "mine" });
    expect((await init("--kind", "elf")).code).toBe(73);
    expect(readFileSync(join(folder, "Capstanfile"), "utf8")).toBe("mine");
    expect((await init("--kind", "elf", "--force")).code).toBe(0);
  });

  test.each<[string, string, object]>([
    ["elf", "native", { run: "/server" }],
    ["node", "node", {}],
    ["python", "python", {}],
  ])("--package writes a project for %s", async (kind, runtime, set) => {
    expect((await init("--kind", kind, "--package")).code).toBe(0);
    const name = (path: string) => ({ name: path });
    expect(readManifestFile(join(folder, "meta/package.yaml"), name("m"))?.name).toBe(`case-${number}`);
    const config = readRunConfigFile(join(folder, "meta/run.yaml"), name("r"));
    expect(config?.runtime).toBe(runtime);
    expect(config?.sets.get("default")).toMatchObject(set);
  });
});

describeUnless(lacksGuests())("init and run", () => {
  test("start the program of the folder", async () => {
    write({ hello: program, "etc/greeting.txt": "x" });
    chmodSync(join(folder, "hello"), 0o755);
    expect((await init("--base", "builtin")).code).toBe(0);
    const { stdout } = await sandbox.run(["run", "--no-check"], { cwd: folder });
    expect(stdout).toContain("Hello, world!");
  });
});
