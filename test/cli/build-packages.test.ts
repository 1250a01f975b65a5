import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { lacksGuests } from "../support/guest.ts";
import { describeUnless, lacksProgram } from "../support/machine.ts";
import { cpio, deb, rpm, tarOf } from "../support/packages.ts";
import { Sandbox, STACK } from "../support/sandbox.ts";

const sandbox = new Sandbox();
afterAll(() => sandbox.remove());

let number = 0;
let folder = "";
beforeEach(() => {
  folder = sandbox.path(`case-${++number}`);
  mkdirSync(folder);
});

const write = (files: Readonly<Record<string, string | Uint8Array>>) => sandbox.write(files, folder);
const build = (name: string, env = {}) => sandbox.run(["build", name, "--no-check"], { cwd: folder, env });

interface Row {
  readonly path: string;
  readonly type: string;
  readonly target?: string;
}

async function list(image: string): Promise<string[]> {
  const rows = await sandbox.json<Row[]>(["image", "ls", "-R", image]);
  const entries = rows.filter(({ type, path }) => type !== "directory" && !path.startsWith("etc/"));
  return entries.map(({ path, target }) => (target === undefined ? path : `${path} -> ${target}`));
}

function makeDeb(
  files: Readonly<Record<string, string | Uint8Array>>,
  control = "Package: tool\nVersion: 1.0\n",
): Buffer {
  const [data, about] = [join(folder, ".data"), join(folder, ".control")];
  sandbox.write(files, data);
  sandbox.write({ control }, about);
  return deb({ folder: data, controlTar: tarOf(about) });
}

describe("packages", () => {
  test("of both kinds lie under the files, without their manuals", async () => {
    write({
      "tool.deb": makeDeb({
        "opt/tool": "of deb",
        "opt/both": "of deb",
        "usr/share/man/man1/tool.1.gz": "",
        "usr/share/doc/tool/copyright": "free",
      }),
      "other.rpm": rpm(
        gzipSync(
          cpio([
            { path: "./opt", mode: 0o040755 },
            { path: "./opt/other", mode: 0o100755, content: "of rpm" },
            { path: "./opt/both", mode: 0o100755, content: "of rpm" },
            { path: "./opt/link", mode: 0o120777, content: "other" },
          ]),
        ),
      ),
      mine: "of files",
      Capstanfile:
        "base: builtin\ncmdline: /opt/tool\npackages: ['deb:./tool.deb', 'rpm:./other.rpm']\nfiles: { /opt/tool: mine }\n",
    });
    const { code, stderr } = await build("packed");
    expect({ code, stderr }).toEqual({ code: 0, stderr: expect.stringContaining("Built packed") });
    expect(await list("packed")).toEqual([
      "opt/both",
      "opt/link -> other",
      "opt/other",
      "opt/tool",
      "usr/share/doc/tool/copyright",
    ]);
    expect(await sandbox.ok(["image", "cat", "packed", "/opt/tool"])).toBe("of files");
    expect(await sandbox.ok(["image", "cat", "packed", "/opt/both"])).toBe("of rpm");
    expect(await sandbox.ok(["image", "cat", "packed", "/opt/link"])).toBe("of rpm");
  });

  test("rpm-base is the file of that name", async () => {
    write({
      "x-1-2.noarch.rpm": rpm(gzipSync(cpio([{ path: "./opt/x", mode: 0o100644, content: "x" }]))),
      Capstanfile: "base: builtin\ncmdline: /x\nrpm-base: { name: x, version: '1', release: '2', arch: noarch }\n",
    });
    expect((await build("rpm-base")).code).toBe(0);
    expect(await list("rpm-base")).toEqual(["opt/x"]);
  });

  test.each<[string, string, Readonly<Record<string, string>>, number, string]>([
    ["a file that is not there", "'deb:./nowhere.deb'", {}, 66, "Capstanfile:3:12: there is no package file"],
    ["a file that is no package", "'deb:./bad.deb'", { "bad.deb": "<html>" }, 65, "it is no Debian package"],
    ["no package manager", "deb:tool", {}, 69, "apt-get is not on this machine"],
    ["no package manager for RPM", "rpm:tool", {}, 69, "dnf is not on this machine"],
  ])("%s is an error with its place", async (_, name, files, expected, message) => {
    mkdirSync(join(folder, "bin"));
    write({ ...files, Capstanfile: `base: builtin\ncmdline: /x\npackages: [${name}]\n` });
    const { code, stderr } = await build("broken", { PATH: join(folder, "bin"), CAPSTAN_OFFLINE: "" });
    expect({ code, stderr }).toEqual({ code: expected, stderr: expect.stringContaining(message) });
    expect(stderr).not.toMatch(STACK);
    expect(sandbox.files("store/repository/broken")).toEqual([]);
  });

  describe("that apt fetches", () => {
    /** Stands for apt-get: it "fetches" packages that lie in a folder, and notes what it was asked. */
    const apt = (digest: string) => `#!/bin/sh
echo "$@" >> "$APT/log"
for name; do :; done
file=$(echo "$name" | sed 's/=.*//')_1.0_all.deb
[ -e "$APT/$file" ] || { echo "E: Unable to locate package $name" >&2; exit 100; }
if [ "$2" = --print-uris ]; then
  [ -e "$file" ] || echo "'http://localhost/$file' $file 1 SHA256:${digest}"
else
  cp "$APT/$file" .
fi
`;

    function withApt(digest = "$(sha256sum \"$APT/$file\" | cut -d ' ' -f 1)") {
      const bin = join(folder, "bin");
      write({ "bin/apt-get": apt(digest), "bin/log": "" });
      chmodSync(join(bin, "apt-get"), 0o755);
      return { PATH: `${bin}:${process.env.PATH}`, APT: bin, CAPSTAN_OFFLINE: "" };
    }

    test("are fetched once, with those of the same version that they depend on", async () => {
      const env = withApt();
      write({
        "bin/server_1.0_all.deb": makeDeb(
          { "usr/bin/server": "server" },
          "Package: server\nVersion: 1.0\nDepends: libc6 (>= 2.34),\n tools (= 1.0), other (= 2.0)\n",
        ),
      });
      execFileSync("rm", ["-r", join(folder, ".data")]);
      write({
        "bin/tools_1.0_all.deb": makeDeb(
          { "usr/bin/tools": "tools" },
          "Package: tools\nVersion: 1.0\nDepends: server (= 1.0)\n",
        ),
        Capstanfile: "base: builtin\ncmdline: /x\npackages: deb:server\n",
      });
      expect((await build("fetched", env)).code).toBe(0);
      expect(await list("fetched")).toEqual(["usr/bin/server", "usr/bin/tools"]);
      const again = await build("fetched", { ...env, CAPSTAN_OFFLINE: "1" });
      expect({ code: again.code, stderr: again.stderr }).toEqual({
        code: 0,
        stderr: expect.not.stringContaining("Fetching"),
      });
    });

    test("that only stand for others say so", async () => {
      const env = withApt();
      write({
        "bin/all_1.0_all.deb": makeDeb(
          { "usr/share/doc/all/copyright": "free", "usr/share/doc/all/changelog": "" },
          "Package: all\nVersion: 1.0\nDepends: server (>= 1.0), server (<< 2), tools | other\n",
        ),
        Capstanfile: "base: builtin\ncmdline: /x\npackages:\n- deb:all\n",
      });
      const { code, stderr } = await build("all", env);
      expect({ code, stderr }).toEqual({
        code: 0,
        stderr: expect.stringContaining("Capstanfile:4:3: the package deb:all"),
      });
      expect(stderr).toMatch(/stands for: deb:server, deb:tools$/m);
    });

    test("are refused offline, and what apt says is told", async () => {
      const env = withApt();
      write({
        "bin/tool2_1.0_all.deb": makeDeb({ x: "" }),
        Capstanfile: "base: builtin\ncmdline: /x\npackages: deb:tool2\n",
      });
      const offline = await build("offline", { ...env, CAPSTAN_OFFLINE: "1" });
      expect({ code: offline.code, stderr: offline.stderr }).toEqual({
        code: 69,
        stderr: expect.stringContaining("Capstanfile:3:11: CAPSTAN_OFFLINE is set"),
      });
      write({ Capstanfile: "base: builtin\ncmdline: /x\npackages: deb:unknown\n" });
      const unknown = await build("unknown", env);
      expect({ code: unknown.code, stderr: unknown.stderr }).toEqual({
        code: 69,
        stderr: expect.stringContaining("E: Unable to locate package unknown"),
      });
    });
  });
});

describeUnless(lacksProgram("gcc"))("libraries of packages", () => {
  /** A program on a library of its own, which goes to `place`, or nowhere; and on one that only this machine has. */
  function programDeb(place: string | undefined): Buffer {
    const gcc = (input: string, ...args: readonly string[]) =>
      execFileSync("gcc", ["-x", "c", "-", ...args], { input, cwd: folder });
    gcc("int own(void) { return 3; }", "-shared", "-fPIC", "-Wl,-soname,libown.so.1", "-o", "libown.so");
    const needs = ["-x", "none", "libown.so", "-Wl,--no-as-needed", "-lgcc_s"];
    gcc("int own(void); int main(void) { return own(); }", "-pie", "-fPIE", ...needs, "-o", "program");
    return makeDeb({
      "usr/bin/program": readFileSync(join(folder, "program")),
      ...(place === undefined ? {} : { [place]: readFileSync(join(folder, "libown.so")) }),
    });
  }

  const capstanfile = "base: builtin\ncmdline: /usr/bin/program\npackages: ['deb:./program.deb']\n";

  test("come from the package itself, and from this machine", async () => {
    write({ "program.deb": programDeb("usr/lib/libown.so.1"), Capstanfile: capstanfile });
    const { code, stderr } = await build("libraries");
    expect({ code, stderr }).toEqual({ code: 0, stderr: expect.not.stringContaining("libown") });
    const files = await list("libraries");
    expect(files).toContain("usr/lib/libown.so.1");
    expect(files.filter((path) => path.includes("libgcc_s.so.1"))).toHaveLength(1);
  });

  test("that neither the image nor this machine has are told", async () => {
    write({ "program.deb": programDeb(undefined), Capstanfile: capstanfile });
    const { code, stderr } = await build("missing");
    expect(code).toBe(0);
    expect(stderr).toContain("/usr/bin/program needs libown.so.1, which neither the image nor this machine has");
  });
});

describeUnless(lacksGuests("gcc"))("a program", () => {
  test("goes in with what it loads, and is what boots", async () => {
    write({
      "main.c": "int main(int c, char **v) { return c; }\n",
      Capstanfile: "base: builtin\nbuild: gcc -static -o prog main.c\nprogram: prog\nargs: [one, 'two words']\n",
    });
    const { code, stderr } = await build("program");
    expect({ code, stderr }).toEqual({ code: 0, stderr: expect.stringContaining("Built program") });
    expect((await sandbox.json<{ commandLine: string }>(["image", "inspect", "program"])).commandLine).toBe(
      '/prog one "two words"',
    );
    expect(await list("program")).toContain("prog");
    expect(existsSync(join(folder, "usr"))).toBe(false);
  });
});

describe("includes", () => {
  test("lay their files under those of the file that includes them, each from its own folder", async () => {
    sandbox.write({
      "shared/x": "shared x",
      "shared/y": "shared y",
      "shared/base.capstan": "base: builtin\ncmdline: /x\nfiles: { /x: x, /y: y }\n",
    });
    write({ y: "own y", Capstanfile: "include: ../shared/base.capstan\nfiles: { /y: y }\n" });
    expect((await build("included")).code).toBe(0);
    expect(await sandbox.ok(["image", "cat", "included", "/x"])).toBe("shared x");
    expect(await sandbox.ok(["image", "cat", "included", "/y"])).toBe("own y");
  });

  test("run their build commands first, each in its own folder", async () => {
    sandbox.write({
      "made/inc": 'base: builtin\nbuild: pwd > where; echo first >> "$ORDER"\nfiles: { /where: where }\n',
    });
    write({
      Capstanfile: 'include: ../made/inc\nbuild: echo second >> "$ORDER"\ncmdline: /x\nfiles: { /order: order }\n',
    });
    expect((await build("ordered", { ORDER: join(folder, "order") })).code).toBe(0);
    expect(await sandbox.ok(["image", "cat", "ordered", "/where"])).toBe(`${sandbox.path("made")}\n`);
    expect(await sandbox.ok(["image", "cat", "ordered", "/order"])).toBe("first\nsecond\n");
  });
});
