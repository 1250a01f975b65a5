import { execFileSync } from "node:child_process";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { withOpenFile } from "../../../src/filesystems/file-space.ts";
import { hostSpace } from "../../../src/filesystems/host-space.ts";
import { readJarManifest } from "../../../src/programs/recognise/jar.ts";
import { readZipMember } from "../../../src/programs/recognise/zip.ts";
import { lacksProgram, testUnless } from "../../support/machine.ts";
import { jarFile, zipFile } from "../zip-file.ts";
import { ELF, partsOf, World } from "./world.ts";

const HOME = "/usr/lib/jvm/java-17";
const world = new World()
  .system({
    "usr/bin/java": "-> /etc/alternatives/java",
    "etc/alternatives/java": `-> ${HOME}/bin/java`,
    [`${HOME}/bin/java`]: ELF,
    [`${HOME}/bin/jar`]: "12",
    [`${HOME}/lib/server/libjvm.so`]: ELF,
    [`${HOME}/lib/libnet.so`]: ELF,
    [`${HOME}/lib/libawt_xawt.so`]: ELF,
    [`${HOME}/lib/modules`]: "",
    [`${HOME}/lib/src.zip`]: "-> ../../src/src.zip",
    "usr/lib/jvm/src/src.zip": "123",
    [`${HOME}/jmods/a.jmod`]: "1234",
    [`${HOME}/conf/net.properties`]: "-> /etc/java-17/net.properties",
    [`${HOME}/conf/gone`]: "-> /etc/java-17/gone",
    [`${HOME}/docs`]: "-> ../../../share/doc/java",
    [`${HOME}/lib/up`]: "-> ../..",
    "usr/share/doc/java/x": "",
    "etc/java-17/net.properties": "",
  })
  .user({
    "app.jar": jarFile(
      "Manifest-Version: 1.0\r\nMain-Class: A\r\nClass-Path: lib/a%20b.jar lib/ gone.jar ../up.\r\n jar http://x/y.jar\r\n\r\n",
    ),
    "lib/a b.jar": "",
    "classes/A.class": Buffer.from([0xca, 0xfe, 0xba, 0xbe, 0, 0, 0, 61]),
    "classes/A$B.class": "",
    "classes/A.java": "",
  });
afterAll(() => world.remove());

const TREE = [`folder ${HOME}`, "file /etc/java-17/net.properties"];

test.each<[path: string, args: readonly string[], parts: readonly string[]]>([
  [
    "app.jar",
    ["-Dfile.encoding=UTF-8", "-jar", "/app/app.jar"],
    ["file /app/app.jar < ~/app.jar", "file /app/lib/a b.jar < ~/lib/a b.jar", "folder /app/lib < ~/lib"],
  ],
  [
    "classes/A.class",
    ["-Dfile.encoding=UTF-8", "-cp", "/app", "A"],
    ["file /app/A$B.class < ~/classes/A$B.class", "file /app/A.class < ~/classes/A.class"],
  ],
  ["/usr/bin/java", [], []],
])("%s", async (path, args, parts) => {
  const application = await world.application(path);
  expect(partsOf(application, world)).toEqual([...TREE, ...parts]);
  expect(application).toMatchObject({ args, executable: { source: `${HOME}/bin/java`, target: `${HOME}/bin/java` } });
  expect(application.plugins.toSorted()).toEqual([`${HOME}/lib/libnet.so`, `${HOME}/lib/server/libjvm.so`]);
});

test("what is left out", async () => {
  const { trimmed, notes } = await world.application("app.jar");
  expect(trimmed).toEqual([
    { what: "documentation and examples", files: 2, bytes: 0 },
    { what: "files to build with the JDK", files: 1, bytes: 4 },
    { what: "what opens windows", files: 1, bytes: ELF.length },
    { what: "tools of the JDK", files: 1, bytes: 2 },
  ]);
  expect(notes).toEqual(["app.jar names in its Class-Path what is not there: gone.jar, ../up.jar, http://x/y.jar."]);
});

test("with --no-trim, all goes in, but what its windows need is not looked for", async () => {
  const application = await world.application("app.jar", { trim: false });
  expect(application.trimmed).toEqual([]);
  expect(partsOf(application, world).toSorted()).toEqual(
    expect.arrayContaining(["file /usr/lib/jvm/src/src.zip", "folder /usr/share/doc/java"]),
  );
  expect(application.plugins).not.toContain(`${HOME}/lib/libawt_xawt.so`);
});

test("JAVA_HOME of this machine comes first", async () => {
  const other = new World()
    .system({ "opt/jdk/bin/java": ELF, "opt/jdk/lib/server/libjvm.so": ELF })
    .user({ "app.jar": jarFile("Main-Class: A") });
  const { executable } = await other.application("app.jar", {
    isThisMachine: true,
    env: { JAVA_HOME: "/opt/jdk", PATH: "/nowhere" },
  });
  expect(executable.target).toBe("/opt/jdk/bin/java");
  other.remove();
});

test("a launcher without its machine", async () => {
  const other = new World().system({ "usr/bin/java": ELF }).user({ "app.jar": jarFile("Main-Class: A") });
  await expect(other.application("app.jar")).rejects.toMatchObject({ code: "java-home-missing" });
  other.remove();
});

describe("jars", () => {
  test.each<[title: string, bytes: Buffer, expected: unknown]>([
    ["packed", jarFile("Main-Class: a.B\n"), { mainClass: "a.B", classPath: [] }],
    ["stored", jarFile("Main-Class: a.B\n", { isPacked: false }), { mainClass: "a.B", classPath: [] }],
    ["behind a script", jarFile("main-class: a.B", { before: "#!/bin/sh\n" }), { mainClass: "a.B", classPath: [] }],
    ["without manifest", zipFile({ x: "y" }), { mainClass: undefined, classPath: [] }],
    ["empty", zipFile({}), { mainClass: undefined, classPath: [] }],
    ["no zip", Buffer.from("words"), "damaged"],
    ["nothing", Buffer.alloc(0), "damaged"],
    ["a manifest that unpacks to more than it may", jarFile("a".repeat(2 << 20)), undefined],
  ])("%s", (title, bytes, expected) => {
    world.user({ [`jars/${title}.jar`]: bytes });
    expect(readJarManifest(`${world.home}/jars/${title}.jar`)).toEqual(expected);
  });

  testUnless(lacksProgram("python3"))("as Python packs them", () => {
    const path = `${world.home}/py.jar`;
    const script =
      "import sys, zipfile\nwith zipfile.ZipFile(sys.argv[1], 'w', zipfile.ZIP_DEFLATED) as z:\n z.comment = b'PK'\n z.writestr('a', 'x' * 100000)\n z.writestr('META-INF/MANIFEST.MF', 'Main-Class: P\\n')\n";
    execFileSync("python3", ["-c", script, path]);
    expect(readJarManifest(path)).toEqual({ mainClass: "P", classPath: [] });
    expect(execFileSync("python3", ["-m", "zipfile", "-l", `${world.home}/app.jar`], { encoding: "utf8" })).toContain(
      "MANIFEST.MF",
    );
  });

  test("a changed byte anywhere gives an answer and no crash", () => {
    const whole = jarFile("Main-Class: a.B\n");
    fc.assert(
      fc.property(fc.nat(whole.length - 1), fc.nat(255), fc.nat(whole.length), (at, value, cut) => {
        const bytes = Buffer.from(whole.subarray(0, cut));
        if (at < bytes.length) bytes[at] = value;
        world.user({ "fuzz.jar": bytes });
        const found = hostSpace("/").find(`${world.home}/fuzz.jar`);
        const member = found && withOpenFile(found, (open) => readZipMember(open, "META-INF/MANIFEST.MF"));
        expect(["found", "absent", "damaged", "unreadable"]).toContain(member?.kind);
      }),
      { numRuns: 500 },
    );
  });
});
