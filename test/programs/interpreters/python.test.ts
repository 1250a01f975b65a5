import { execFile, execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { hostSpace } from "../../../src/filesystems/host-space.ts";
import type { Application } from "../../../src/programs/application.ts";
import { describeApplication } from "../../../src/programs/interpreters/index.ts";
import { importsOf } from "../../../src/programs/interpreters/python/imports.ts";
import { recognise } from "../../../src/programs/recognise.ts";
import { describeUnless, findProgram } from "../../support/machine.ts";
import { layOut } from "./lay-out.ts";
import { ELF, partsOf, World } from "./world.ts";

/** A Debian in small. */
const DEBIAN = {
  "usr/bin/python3": "-> python3.11",
  "usr/bin/python3.11": ELF,
  "usr/lib/python3.11/os.py": "import abc\n",
  "usr/lib/python3.11/json/__init__.py": "",
  "usr/lib/python3.11/asyncio/__init__.py": "",
  "usr/lib/python3.11/test/big.py": "12345",
  "usr/lib/python3.11/lib-dynload/_ssl.cpython-311-x86_64-linux-gnu.so": ELF,
  "usr/lib/python3.11/lib-dynload/_testcapi.cpython-311-x86_64-linux-gnu.so": ELF,
  "usr/lib/python3.11/sitecustomize.py": "-> /etc/python3.11/sitecustomize.py",
  "etc/python3.11/sitecustomize.py": "",
  "usr/lib/python3/dist-packages/flask/__init__.py":
    "try:\n    import extra\nexcept ImportError:\n    pass\nimport click\n",
  "usr/lib/python3/dist-packages/flask/tests/x.py": "import never",
  "usr/lib/python3/dist-packages/flask-2.0.dist-info/METADATA":
    'Name: Flask\nRequires-Dist: My.Click (>=8)\nRequires-Dist: colour ; extra == "x"\nRequires-Dist: colour ; platform_system == "Windows"\n\nRequires-Dist: body\n',
  "usr/lib/python3/dist-packages/flask-2.0.dist-info/RECORD": "flask/__init__.py,,\n",
  "usr/lib/python3/dist-packages/click/__init__.py": "",
  "usr/lib/python3/dist-packages/my_click-8.dist-info/RECORD": "click/__init__.py,,\nmy_click-8.dist-info/RECORD,,\n",
  "usr/lib/python3/dist-packages/my_click-8.dist-info/METADATA": "Name: my-click\n",
  "usr/lib/python3/dist-packages/extra/__init__.py": "",
  "usr/lib/python3/dist-packages/colour.py": "",
  "usr/lib/python3/dist-packages/six.py": "import asyncio\nimport colour\n",
  "usr/lib/python3/dist-packages/fast.cpython-311-x86_64-linux-gnu.so": ELF,
  "usr/lib/python3/dist-packages/wheel/__init__.py": "",
  "usr/lib/python3/dist-packages/wheel.libs/libx.so.1": ELF,
  "usr/lib/python3/dist-packages/wheel-1.dist-info/top_level.txt": "wheel\n",
};

const LIBRARY = "folder /usr/lib/python3.11";
const DIST = "/usr/lib/python3/dist-packages";

describe("a script", () => {
  const world = new World().system(DEBIAN).user({
    "plain.py": "import json\n",
    "flask.py.d/app.py": "from flask import Flask\n",
    "flask.py.d/templates/index.html": "",
    "flask.py.d/static/x.css": "",
    "flask.py.d/docs/readme": "",
    "all.py": "import six, wheel as w\nimport fast; import helper.deep\nfrom . import beside\nimport pkg\n",
    "helper/deep.py": "from missing_too import x\n",
    "pkg/__init__.py": "",
    "pkg/.git/config": "secret",
    "missing.py": "import gone, json\ntry:\n    import maybe\nexcept ImportError: pass\n",
    "text.py":
      'TEXT = """\nimport json from a file\n"""\nopen("data/words.txt")\nopen("/etc/passwd")\nopen("../out.txt")\n',
    "data/words.txt": "",
    "out.txt": "",
    "x.pyz": "PK\x03\x04",
  });
  afterAll(() => world.remove());

  test.each<[script: string, parts: readonly string[]]>([
    ["plain.py", ["file /app/plain.py < ~/plain.py"]],
    [
      "flask.py.d/app.py",
      [
        ...[`folder ${DIST}/flask`, `folder ${DIST}/click`],
        ...[`folder ${DIST}/flask-2.0.dist-info`, `folder ${DIST}/my_click-8.dist-info`],
        ...["folder /app/templates < ~/flask.py.d/templates", "folder /app/static < ~/flask.py.d/static"],
        "file /app/app.py < ~/flask.py.d/app.py",
      ],
    ],
    [
      "all.py",
      [
        ...[
          `file ${DIST}/six.py`,
          `folder ${DIST}/wheel`,
          `file ${DIST}/fast.cpython-311-x86_64-linux-gnu.so`,
          `file ${DIST}/colour.py`,
        ],
        ...[`folder ${DIST}/wheel-1.dist-info`, `folder ${DIST}/wheel.libs`],
        ...["folder /app/helper < ~/helper", "folder /app/pkg < ~/pkg"],
        "bytes /usr/lib/capstan/python/sitecustomize.py",
        "file /app/all.py < ~/all.py",
      ],
    ],
    ["text.py", ["file /app/data/words.txt < ~/data/words.txt", "file /app/text.py < ~/text.py"]],
    ["x.pyz", ["file /app/x.pyz < ~/x.pyz"]],
  ])("%s takes along", async (script, parts) => {
    const application = await world.application(script);
    expect(partsOf(application, world)).toEqual([LIBRARY, "file /etc/python3.11/sitecustomize.py", ...parts]);
    expect(application).toMatchObject({
      executable: { source: "/usr/bin/python3.11", target: "/usr/bin/python3.11" },
      args: [`/app/${script.split("/").at(-1)}`],
    });
  });

  test("what it cannot find is told, but for what it can do without", async () => {
    const { notes } = await world.application("missing.py");
    expect(notes).toEqual([
      expect.stringMatching(/^The module gone cannot be found for \/usr\/bin\/python3\.11: install it/),
      expect.anything(),
    ]);
    expect((await world.application("all.py")).notes[0]).toMatch(/^The module missing_too /);
  });

  test("shared objects that may be opened, without those that are left out", async () => {
    const dynload = "/usr/lib/python3.11/lib-dynload";
    const ssl = `${dynload}/_ssl.cpython-311-x86_64-linux-gnu.so`;
    expect((await world.application("plain.py")).plugins).toEqual([ssl]);
    expect((await world.application("plain.py", { trim: false })).plugins.toSorted()).toEqual([
      ssl,
      `${dynload}/_testcapi.cpython-311-x86_64-linux-gnu.so`,
    ]);
    expect((await world.application("all.py")).plugins).toEqual([
      ssl,
      `${DIST}/fast.cpython-311-x86_64-linux-gnu.so`,
      `${DIST}/wheel.libs/libx.so.1`,
    ]);
  });

  test("what is trimmed is counted, and left out of the folder", async () => {
    const application = await world.application("plain.py");
    expect(application.trimmed).toEqual([{ what: "Python's own tests", files: 2, bytes: 5 + ELF.length }]);
    const [library] = application.parts;
    const skip = library?.kind === "folder" ? library.skip : undefined;
    expect([skip?.("test", true), skip?.("test/big.py", false), skip?.("json", true)]).toEqual([true, false, false]);
    const untrimmed = await world.application("plain.py", { trim: false });
    expect(untrimmed.trimmed).toEqual([]);
    expect(untrimmed.parts[0]).not.toHaveProperty("skip");
  });

  test("the version control of the user's folders stays out", async () => {
    const application = await world.application("all.py");
    const part = application.parts.find(({ target }) => target === "/app/pkg");
    expect(part?.kind === "folder" && part.skip?.(".git", true)).toBe(true);
  });

  test("variables, with those of the script's own", async () => {
    world.user({ "env.py": "#!/usr/bin/env -S PYTHONUNBUFFERED=0 MINE=1 python3 -O\n" });
    const application = await world.application("env.py");
    expect(Object.fromEntries(application.env)).toEqual({
      PYTHONHOME: "/usr",
      PYTHONDONTWRITEBYTECODE: "1",
      PYTHONUNBUFFERED: "0",
      PYTHONUTF8: "1",
      MINE: "1",
    });
    expect(application.args).toEqual(["-O", "/app/env.py"]);
  });

  test("an event loop gets a pair of sockets that work, unless the user has a sitecustomize", async () => {
    world.user({
      "loop/a.py": "import asyncio\n",
      "own/a.py": "import asyncio, sitecustomize\n",
      "own/sitecustomize.py": "",
    });
    expect((await world.application("loop/a.py")).env.get("PYTHONPATH")).toBe("/usr/lib/capstan/python");
    expect((await world.application("own/a.py")).env.get("PYTHONPATH")).toBeUndefined();
  });
});

describe("other ways to start", () => {
  const world = new World().system(DEBIAN).user({
    "folder/__main__.py": "import inside\nimport six",
    "folder/inside.py": "",
    "mod/__main__.py": "from mod import a\nimport sibling",
    "mod/__init__.py": "",
    "mod/a.py": "import json",
    "sibling.py": "",
    "srv/serve.py": "import near",
    "srv/near.py": "",
    "top.py": "import sibling",
    "app/in.py": "import by",
    "app/by.py": "",
  });
  afterAll(() => world.remove());

  test.each<
    [
      path: string,
      userArgs: readonly string[],
      args: readonly string[],
      parts: readonly string[],
      path_: string | undefined,
    ]
  >([
    [
      "folder",
      [],
      ["/app"],
      [
        `file ${DIST}/six.py`,
        `file ${DIST}/colour.py`,
        "folder /app < ~/folder",
        "bytes /usr/lib/capstan/python/sitecustomize.py",
      ],
      "/usr/lib/capstan/python",
    ],
    ["mod", [], ["-m", "mod"], ["folder /app/mod < ~/mod", "file /app/sibling.py < ~/sibling.py"], "/app"],
    ["/usr/bin/python3", ["-m", "http.server", "80"], [], [], undefined],
    ["/usr/bin/python3.11", ["-um", "colour.x"], [], [`file ${DIST}/colour.py`], undefined],
    ["/usr/bin/python3", ["-c", "import os; import colour"], [], [`file ${DIST}/colour.py`], undefined],
    [
      "/usr/bin/python3",
      ["-W", "ignore", "./srv/serve.py", "./x"],
      [],
      ["file /srv/near.py < ~/srv/near.py", "file /srv/serve.py < ~/srv/serve.py"],
      undefined,
    ],
    ["/usr/bin/python3", ["serve.py"], [], [], undefined],
    [
      "/usr/bin/python3",
      ["top.py", "x"],
      [],
      ["file /sibling.py < ~/sibling.py", "file /top.py < ~/top.py"],
      undefined,
    ],
    [
      "/usr/bin/python3",
      ["app/in.py"],
      [],
      ["file /app/by.py < ~/app/by.py", "file /app/in.py < ~/app/in.py"],
      undefined,
    ],
  ])("%s %j", async (path, userArgs, args, parts, pythonPath) => {
    const application = await world.application(path, { userArgs });
    expect(partsOf(application, world)).toEqual([LIBRARY, "file /etc/python3.11/sitecustomize.py", ...parts]);
    expect(application.args).toEqual(args);
    expect(application.env.get("PYTHONPATH")).toBe(pythonPath);
  });
});

describe("where Python lies", () => {
  interface Expected {
    readonly home: string;
    readonly library: string;
    readonly path?: string;
  }

  test.each<
    [title: string, files: Readonly<Record<string, string | Uint8Array>>, interpreter: string, expected: Expected]
  >([
    [
      "a build of one's own, named without its version",
      { "opt/py/bin/python3": ELF, "opt/py/lib/python3.9/os.py": "", "opt/py/lib/python3.12/os.py": "" },
      "/opt/py/bin/python3",
      { home: "/opt/py", library: "/opt/py/lib/python3.12" },
    ],
    [
      "lib64",
      { "usr/bin/python3.12": ELF, "usr/lib64/python3.12/os.py": "" },
      "/usr/bin/python3.12",
      { home: "/usr", library: "/usr/lib64/python3.12" },
    ],
    [
      "a virtual environment",
      {
        ...{
          "usr/bin/python3.11": ELF,
          "usr/lib/python3.11/os.py": "",
          "srv/venv/bin/python3": "-> /usr/bin/python3.11",
        },
        "srv/venv/pyvenv.cfg": "home = /usr/bin\ninclude-system-site-packages = false\n",
        "srv/venv/lib/python3.11/site-packages/six.py": "",
        "usr/lib/python3/dist-packages/six.py": "",
      },
      "/srv/venv/bin/python3",
      { home: "/usr", library: "/usr/lib/python3.11", path: "/srv/venv/lib/python3.11/site-packages" },
    ],
  ])("%s", async (_, files, interpreter, { home, library, path }) => {
    const world = new World().system(files).user({ "a.py": "import six\n" });
    const application = await world.application("a.py", { interpreter });
    expect(application.env.get("PYTHONHOME")).toBe(home);
    expect(application.env.get("PYTHONPATH")).toBe(path);
    expect(application.parts[0]).toMatchObject({ source: library, target: library });
    expect(application.parts.some(({ target }) => target === `${path}/six.py`)).toBe(path !== undefined);
    world.remove();
  });

  test("without its library it cannot start", async () => {
    const world = new World()
      .system({ "usr/bin/python3.11": ELF, "usr/lib/python3.10/os.py": "" })
      .user({ "a.py": "1" });
    await expect(world.application("a.py", { interpreter: "/usr/bin/python3.11" })).rejects.toMatchObject({
      code: "python-library-missing",
    });
    world.remove();
  });
});

test.each<[source: string, modules: readonly string[], needed: readonly string[]]>([
  ["import a", ["a"], ["a"]],
  ["import a.b as c, d", ["a.b", "d"], ["a.b", "d"]],
  ["  import a # why", ["a"], []],
  ["from a import b, c as d", ["a", "a.b", "a.c"], ["a", "a.b", "a.c"]],
  ["from a import (\n  b, # one\n  c\n)", ["a", "a.b", "a.c"], ["a", "a.b", "a.c"]],
  ["from a import *", ["a"], ["a"]],
  ["from .a import b", [".a", ".a.b"], [".a", ".a.b"]],
  ["from . import b", [".b"], [".b"]],
  ["import\ta;import b", ["a", "b"], ["a"]],
  ["important = 1\nfromage = 2\n# import x", [], []],
])("imports of %j", (source, modules, needed) => {
  const found = importsOf(source);
  expect([...found.modules]).toEqual(modules);
  expect([...found.needed]).toEqual(needed);
});

const python = findProgram("python3") === undefined ? undefined : realPython();

describeUnless(python === undefined ? "python3 is no ELF program here" : undefined)(
  "the Python of this machine",
  () => {
    const world = new World().user({
      "main.py": "import beside, json\nprint('ran', beside.ONE)\n",
      "beside.py": "ONE = 1\n",
      "broken.py": "def\n",
    });
    let application: Application;
    let image: string;

    beforeAll(async () => {
      image = world.sandbox.path("image");
      application = await describeApplication(
        {
          recognised: recognise(join(world.home, "main.py")),
          space: hostSpace("/"),
          isThisMachine: true,
          interpreter: python,
          trim: true,
          userArgs: [],
          cacheFolder: world.sandbox.path("cache"),
        },
        world.context(),
      );
      layOut(application, image);
    });
    afterAll(() => {
      world.remove();
    });

    test("takes the byte code as it lies in an image, where all files are of 1970", async () => {
      const { stdout, stderr } = await promisify(execFile)(
        join(image, application.executable.target),
        ["-v", "-S", join(image, "app/main.py")],
        {
          env: {
            ...Object.fromEntries(application.env),
            PYTHONHOME: join(image, application.env.get("PYTHONHOME") ?? ""),
          },
          maxBuffer: 1 << 26,
        },
      );
      expect(stdout).toBe("ran 1\n");
      expect([...stderr.matchAll(/^# code object from (\/\S+\.py)$/gm)].map(([, path]) => path)).toEqual([]);
      // As a check of the check: what was found is in the image, the module beside the script among it.
      for (const cached of ["app/__pycache__/beside", "json/__pycache__/decoder"]) {
        expect(stderr).toMatch(new RegExp(`code object from '${image}/[^']*${cached}\\.[^']*\\.pyc'`));
      }
    });

    test("what does not compile is left to Python, and told", async () => {
      world.user({ "uses.py": "import broken\n" });
      const second = await describeApplication(
        {
          recognised: recognise(join(world.home, "uses.py")),
          space: hostSpace("/"),
          isThisMachine: true,
          interpreter: python,
          trim: true,
          userArgs: [],
          cacheFolder: world.sandbox.path("cache"),
        },
        world.context(),
      );
      expect(second.notes.at(-1)).toMatch(/no byte code that can be used/);
    });
  },
);

/** Behind whatever stands for it on PATH; undefined where that is no ELF program. */
function realPython(): string | undefined {
  const path = execFileSync("python3", ["-c", "import sys; print(sys.executable)"], { encoding: "utf8" }).trim();
  return path !== "" && readFileSync(path).subarray(1, 4).toString() === "ELF" ? path : undefined;
}
