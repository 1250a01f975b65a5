import { afterAll, afterEach, expect, test } from "vitest";
import { writeTinyDisk } from "../hypervisors/tiny-guest.ts";
import { describeUnless, lacksProgram } from "../support/machine.ts";
import { Sandbox } from "../support/sandbox.ts";

const sandbox = new Sandbox();
const cwd = sandbox.path("shop");
writeTinyDisk(sandbox.path("wait.img"), "wait");
writeTinyDisk(sandbox.path("quick.img"), "P quick\n");
const small = "mem_limit: 32M, cpus: 1";
const FILE = `services:
  job: { image: ../quick.img, ${small}, profiles: [jobs] }
  db: { image: ../wait.img, ${small}, volumes: [data] }
  web: { image: ../wait.img, ${small}, depends_on: [db] }
volumes: { data: { driver_opts: { size: 1M } } }
`;

afterEach(() => sandbox.run(["down", "--volumes"], { cwd }));
afterAll(() => sandbox.remove());

describeUnless(lacksProgram("qemu-system-x86_64"))("services of a file", () => {
  sandbox.write({ "capstan.yaml": FILE }, cwd);
  const created = (service: string) => ({ name: `shop-${service}-1`, service, change: "created" });

  test("$ capstan logs, where there is nothing that it could mean, says what it takes", async () => {
    const { code, stderr } = await sandbox.run(["logs"], { cwd: sandbox.dir });
    expect([code, stderr]).toEqual([66, expect.stringContaining("capstan logs INSTANCE")]);
  });

  test("$ capstan up --json, logs --json, ps --json, down --json", async () => {
    expect(await sandbox.json(["up", "-d"], { cwd })).toEqual([created("db"), created("web")]);
    expect(await sandbox.json(["up", "-d", "--profile", "jobs"], { cwd })).toEqual(
      expect.arrayContaining([created("job"), { name: "shop-web-1", service: "web", change: "unchanged" }]),
    );
    const logs = await sandbox.json<{ name: string; lines: unknown[] }[]>(["logs", "job"], { cwd });
    expect(logs).toEqual([{ name: "shop-job-1", dropped: 0, lines: expect.any(Array) }]);
    const one = await sandbox.json<unknown[]>(["logs", "--file", "capstan.yaml", "job"], { cwd });
    expect(one).toHaveLength(1);
    expect(await sandbox.json(["logs"], { cwd })).toHaveLength(3);
    const listed = await sandbox.json<{ name: string }[]>(["ps", "--project-name", "shop"]);
    expect(listed.map(({ name }) => name)).toEqual(["shop-db-1", "shop-job-1", "shop-web-1"]);
    expect(await sandbox.json(["ps", "-f", "capstan.yaml", "--project-name", "other"], { cwd })).toEqual([]);
    expect((await sandbox.json<string[]>(["down"], { cwd })).sort()).toEqual(listed.map(({ name }) => name));
    expect(await sandbox.json(["down"], { cwd })).toEqual([]);
  }, 60_000);

  test("$ capstan down --volumes deletes the volumes that the file declares, and no others", async () => {
    sandbox.write({ "volumes/other": "x" }, cwd);
    await sandbox.ok(["up", "-d", "db"], { cwd });
    await sandbox.ok(["down"], { cwd });
    expect(sandbox.files("shop/volumes")).toEqual(["data", "data.yaml", "other"]);
    await sandbox.ok(["down", "--volumes"], { cwd });
    expect(sandbox.files("shop/volumes")).toEqual(["other"]);
  }, 60_000);

  test("instances of services that are no longer there are told, and removed when asked", async () => {
    await sandbox.ok(["up", "-d"], { cwd });
    sandbox.write({ "less.yaml": FILE.replace(/^ {2}web.*\n/m, "") }, cwd);
    const { stderr } = await sandbox.run(["up", "-d", "-f", "less.yaml"], { cwd });
    expect(stderr).toContain("The file has no services any more for shop-web-1: --remove-orphans removes them");
    const changed = await sandbox.json(["up", "-d", "-f", "less.yaml", "--remove-orphans"], { cwd });
    expect(changed).toContainEqual({ name: "shop-web-1", service: "web", change: "removed" });
  }, 60_000);

  test.each([
    ["a missing image", "image: nope", 66, "capstan.yaml:2:15: a: There is no image 'nope'"],
    ["nothing to build", "build: ./nope", 66, "capstan.yaml:2:15: a: There is nothing to build at"],
    [
      "a folder that is not there",
      "image: ../wait.img, volumes: ['./no:/x']",
      66,
      "capstan.yaml:2:15: a: There is no folder",
    ],
    ["settings of a project", "build: { context: p, launch: linux }", 64, "a: 'with', 'launch' and 'interpreter'"],
  ])("%s is told with its place, and nothing is started", async (_, lines, code, text) => {
    sandbox.project("bad/p");
    sandbox.write({ "capstan.yaml": `services:\n  a: { ${lines} }\n` }, sandbox.path("bad"));
    const result = await sandbox.run(["up", "-d"], { cwd: sandbox.path("bad") });
    expect([result.code, result.stderr]).toEqual([code, expect.stringContaining(text)]);
    expect(await sandbox.json(["ps"])).toEqual([]);
  });

  test("two projects of the same name are refused: each would compose over the other's image", async () => {
    const folder = sandbox.path("same");
    const project = {
      "meta/package.yaml": "name: app\ntitle: x\nauthor: x\n",
      "meta/run.yaml": "runtime: native\nconfig_set:\n  default:\n    bootcmd: /x\n",
    };
    for (const name of ["one", "two"]) sandbox.write(project, `${folder}/${name}`);
    sandbox.write({ "capstan.yaml": "services:\n  a: { build: one }\n  b: { build: two }\n" }, folder);
    const { code, stderr } = await sandbox.run(["up", "-d", "-l", "builtin", "--no-check"], { cwd: folder });
    expect([code, stderr]).toEqual([
      65,
      expect.stringContaining("b: a and b are built differently into one image, app"),
    ]);
  });
});
