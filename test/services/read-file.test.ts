import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readServicesFile } from "../../src/services/read-file.ts";
import { CapstanError } from "../../src/support/errors.ts";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "capstan-services-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function read(text: string, env: Record<string, string> = {}) {
  writeFileSync(join(folder, "capstan.yaml"), text);
  return readServicesFile({ file: undefined, projectName: "shop" }, { cwd: folder, env });
}

function service(lines: string, env: Record<string, string> = {}) {
  const indented = lines.replace(/^/gm, "    ");
  const found = read(`services:\n  web:\n    image: hello\n${indented}\n`, env).services.get("web");
  if (found === undefined) throw new Error("no service");
  return found;
}

function problems(text: string): string {
  try {
    read(text);
  } catch (error) {
    if (error instanceof CapstanError) return [error.message, ...error.details].join("\n");
    throw error;
  }
  throw new Error("it was taken");
}

describe("a services file", () => {
  test("says everything that a service can be given", () => {
    const file = read(`
name: shop
x-anything: goes
services:
  web:
    build: ./web
    command: ["/server", "--greet", "hello world"]
    environment: { PORT: 80, MODE: "a=b" }
    ports: ["8080:80", "53/udp"]
    volumes: [data, "./site:/www:ro"]
    depends_on:
      db: { condition: service_healthy }
    restart: on-failure:3
    healthcheck: { test: "http:80/ready", interval: 5s, timeout: 1m30s, retries: 2, start_period: 500ms }
    mem_limit: 256M
    cpus: 2
    networks: { front: { aliases: [www] }, default: }
    stop_grace_period: 3s
  db:
    image: redis
    deploy: { replicas: 2, resources: { limits: { memory: 64M } } }
volumes:
  data: { driver_opts: { size: 2G, format: qcow2 } }
networks: { front: }
`);
    expect(file.name).toBe("shop");
    expect(file.services.get("web")).toMatchObject({
      source: { kind: "build", path: join(folder, "web"), with: [] },
      command: '/server --greet "hello world"',
      environment: new Map([
        ["PORT", "80"],
        ["MODE", "a=b"],
      ]),
      ports: [
        { protocol: "tcp", address: "", guestPort: 80, hostPorts: [8080] },
        { protocol: "udp", address: "", guestPort: 53, hostPorts: [0] },
      ],
      disks: [{ volume: "data", target: undefined, readonly: false }],
      mounts: [{ source: join(folder, "site"), target: "/www", readonly: true }],
      dependsOn: [{ service: "db", condition: "service_healthy" }],
      restart: "on-failure:3",
      healthcheck: {
        probe: { kind: "http", port: 80, path: "/ready" },
        intervalMs: 5000,
        timeoutMs: 90_000,
        retries: 2,
        startMs: 500,
      },
      memory: "256M",
      cpus: "2",
      networks: [
        { network: "front", aliases: ["www"], address: undefined },
        { network: "default", aliases: [], address: undefined },
      ],
      stopGraceMs: 3000,
      replicas: 1,
    });
    expect(file.services.get("db")).toMatchObject({ replicas: 2, memory: "64M", source: { image: "redis" } });
    expect(file.volumes.get("data")).toMatchObject({ size: "2G", format: "qcow2", external: false });
  });

  test.each([
    ["8080:80", 1, [8080]],
    ["80", 1, [0]],
    [":80", 1, [0]],
    ["127.0.0.1:8080:80", 1, [8080]],
    ["8000-8002:80", 3, [8000, 8001, 8002]],
  ])("takes the port %s with %i replicas", (port, replicas, hostPorts) => {
    expect(service(`scale: ${replicas}\nports: ["${port}"]`).ports).toMatchObject([{ guestPort: 80, hostPorts }]);
  });

  test("forwards a range to a range", () => {
    expect(service('ports: ["9000-9001:80-81"]').ports).toMatchObject([
      { guestPort: 80, hostPorts: [9000] },
      { guestPort: 81, hostPorts: [9001] },
    ]);
  });

  test.each([
    ["$HOST", "a"],
    [`\${HOST}`, "a"],
    [`\${NONE:-b}`, "b"],
    [`\${EMPTY-b}`, ""],
    [`\${EMPTY:-b}`, "b"],
    [`\${HOST:+c}`, "c"],
    ["$$HOST", "$HOST"],
    [`x\${NONE}y`, "xy"],
  ])("puts variables into values: %s", (text, expected) => {
    const found = service(`environment: { V: '${text}' }`, { HOST: "a", EMPTY: "" });
    expect(found.environment.get("V")).toBe(expected);
  });

  test.each([
    ["512m", "512m"],
    ["256MB", "256MB"],
    [String(2 ** 29), "512M"],
    [String(2 ** 29 + 1), "513M"],
  ])("reads memory as Compose does, where a plain number counts bytes: %s", (text, expected) => {
    expect(service(`mem_limit: ${text}`).memory).toBe(expected);
  });

  test("takes variables from env_file, environment over them, and what has no value from this machine", () => {
    writeFileSync(join(folder, "a.env"), "A=1\nB=$HOST\nC=3 # three\n");
    writeFileSync(join(folder, "b.env"), "C=4\n");
    const files = "env_file: [a.env, { path: b.env }, { path: none.env, required: false }]";
    const { environment } = service(`${files}\nenvironment: { A: own, HOST: , NOWHERE: }`, { HOST: "here" });
    expect(Object.fromEntries(environment)).toEqual({ A: "own", B: "here", C: "4", HOST: "here" });
    const list = service("environment: [HOST, NOWHERE, X=]", { HOST: "here" });
    expect(Object.fromEntries(list.environment)).toEqual({ HOST: "here", X: "" });
  });

  test("puts in variables of .env, below those of this machine", () => {
    writeFileSync(join(folder, ".env"), "TAG=file\nHOST=file\n");
    const { environment } = service("environment: { V: $TAG-$HOST }", { HOST: "here" });
    rmSync(join(folder, ".env"));
    expect(environment.get("V")).toBe("file-here");
  });

  test("has the port of a health check forwarded, for this machine alone", () => {
    const probed = service("healthcheck: { test: 'tcp:6379' }");
    expect(probed.ports).toEqual([{ protocol: "tcp", address: "127.0.0.1", guestPort: 6379, hostPorts: [0] }]);
    expect(service("ports: ['6379']\nhealthcheck: { test: 'tcp:6379' }").ports).toHaveLength(1);
    expect(service("healthcheck: { test: 'log:ready' }").ports).toEqual([]);
  });

  test.each([
    ['command: a \'b c\' "d e" f\\ g ""', ["a", "b c", "d e", "f g", ""]],
    ["command: [a, 'b c']", ["a", "b c"]],
    ['command: --x="y z"', ["--x=y z"]],
    ["restart: always", undefined],
  ])("splits a command into words: %s", (lines, words) => {
    expect(service(lines).words).toEqual(words);
  });

  test.each([
    ["{ condition: none }", "no"],
    ["{ condition: on-failure, max_attempts: 3, delay: 5s }", "on-failure:3"],
    ["{}", "always"],
  ])("reads the restart policy of deploy: %s", (policy, expected) => {
    expect(service(`deploy: { restart_policy: ${policy} }`).restart).toBe(expected);
    expect(service(`restart: on-failure\ndeploy: { restart_policy: ${policy} }`).restart).toBe("on-failure");
  });

  const bad: readonly (readonly [string, string])[] = [
    ["services:\n  a: { imag: x }", "capstan.yaml:2:8: unknown key 'imag'. Did you mean 'image'?"],
    ["services:\n  a: { image: x, user: root }", "'user' of Compose has no meaning here"],
    ["services:\n  a: {}", "neither an 'image' nor a project or program to 'build'"],
    ["services:\n  a: { image: x, ports: ['x:80'] }", "'x:80' cannot be forwarded"],
    ["services:\n  a: { image: x, ports: ['70000:80'] }", "ports are numbers from 1 to 65535"],
    ["services:\n  a: { image: x, scale: 2, ports: ['8080:80'] }", "2 instances cannot share one port"],
    [
      "services:\n  a: { image: x, depends_on: [dbb] }\n  db: { image: x }",
      "there is no service 'dbb'. Did you mean 'db'?",
    ],
    ["services:\n  a: { image: x, depends_on: [b] }\n  b: { image: x, depends_on: [a] }", "a → b → a"],
    ["services:\n  a: { image: x, depends_on: [a] }", "a → a"],
    ["services:\n  a: { image: x, volumes: [data] }", "there is no volume 'data'. Declare it under 'volumes:'"],
    ["services:\n  a: { image: x, volumes: ['./a'] }", "where it is to be in the guest is missing"],
    ["services:\n  a: { image: x, restart: sometimes }", "is no restart policy"],
    ["services:\n  a: { image: x, healthcheck: { test: [CMD, curl] } }", "write 'test: tcp:PORT'"],
    ["services:\n  a: { image: x, healthcheck: { test: 'tcp:80', interval: 5 } }", "'5' is no span of time"],
    ["services:\n  a: { image: x, scale: many }", "'many' is not a number"],
    ["services:\n  a: { image: x, environment: ['1A=b'] }", "cannot be the name of a variable"],
    [`services:\n  a: { image: x, command: '\${NONE?give it}' }`, "the variable NONE is not set: give it"],
    [`services:\n  a: { image: x, command: 'a \${' }`, "write $$ for a dollar sign"],
    [
      "services:\n  a: { image: x, healthcheck: { test: 'tcp:0' } }",
      "capstan.yaml:2:39: 'tcp:0' says nothing to wait for",
    ],
    [
      "services:\n  a: { image: x, healthcheck: { test: 'log:(' } }",
      "capstan.yaml:2:39: 'log:(' says nothing to wait for",
    ],
    ["services:\n  a: { image: x, mem_limit: lots }", "capstan.yaml:2:29: 'lots' is not a memory size"],
    ["services:\n  a: { image: x, mem_limit: 512 }", "capstan.yaml:2:29: '512' counts bytes: write 512M"],
    ["services:\n  a: { image: x, cpus: 0.5 }", "'0.5' is no whole number of processors"],
    ["services:\n  a: { image: x, cpus: 200 }", "A guest cannot have '200' processors"],
    ["services:\n  a: { image: x, mac_address: zz }", "'zz' is not a MAC address"],
    ["services:\n  a: { image: x, networks: { default: { ipv4_address: x } } }", "'x' is not an IPv4 address"],
    ["services:\n  a: { image: x, env_file: none.env }", "capstan.yaml:2:28: there is no file 'none.env' of variables"],
    [
      "services:\n  a: { image: x, deploy: { restart_policy: { condition: maybe } } }",
      "choose none, on-failure or any",
    ],
    ["services:\n  a: { image: x, build: { context: ., launch: fast } }", "choose one of auto, native, linux, static"],
    ["services:\n  a: { image: x, scale: 2, volumes: [d] }\nvolumes: { d: }", "2 instances cannot write one disk"],
    ["services:\n  a: { image: x }\nvolumes: { d: { driver_opts: { fs: rofs } } }", "name the folder with 'from'"],
    ["services:\n  a: { image: x }\nvolumes: { d: { driver_opts: { size: big } } }", "'size' 'big' is not a size"],
    ["services:\n  a: { image: x }\nvolumes: { d: { name: ../../x } }", "cannot be a name here"],
    ["services:\n  a: { image: x, networks: { default: { aliases: ['-'] } } }", "'-' is no host name"],
    ["services:\n  web-: { image: x }", "'web-' cannot be a name here"],
    ["services: {}", "there is no service"],
    ["services:\n  '../x': { image: x }", "cannot be a name here"],
  ];
  test.each(bad)("is refused with the place: %s", (text, expected) => {
    expect(problems(text)).toContain(expected);
  });

  test.each([
    ["a few ranges in a long list", `ports: [${"1-1000,".repeat(30_000)}]`, "more than 1000 ports"],
    ["a long list of files of variables", `env_file: [${".env,".repeat(200)}]`, "more than 100 files"],
    ["a variable put in many times", `command: "${"$A".repeat(50_000)}"`, "would be longer than"],
  ])("does not become millions of things: %s", (_, lines, expected) => {
    const text = `services:\n  a:\n    image: x\n    ${lines}\n`;
    expect(() => read(text, { A: "x".repeat(50_000) })).toThrow(expected);
  });

  test("does not take the names of methods for variables", () => {
    const { environment } = service("environment: [constructor, toString, A=$valueOf]");
    expect([...environment]).toEqual([["A", ""]]);
  });

  test("of any lines in any order, with anything in them, is read or refused", () => {
    const lines = `services:
  a: &a
    image: x
    <<: *a
    ports: ["80", "8000-8009:80", 127.0.0.1::53/udp, { target: 1, published: "2" }]
    volumes: [./x:/y:ro, data:/d]
    environment: { A: "\${B:-c}", D: $E }
    env_file: [{ path: .env, required: false }]
    depends_on: { b: { condition: service_healthy } }
    healthcheck: { test: ["CMD", "x"], interval: 1m30s, retries: 3 }
    networks: { n: { aliases: [z] } }
    deploy: { resources: { limits: { memory: 1g, cpus: "0.5" } } }
  b: *a
networks: { n: { external: true } }
volumes: { data: { driver_opts: { size: 1G, fs: zfs } } }`.split("\n");
    const line = fc.oneof({ weight: 5, arbitrary: fc.constantFrom(...lines) }, fc.string({ maxLength: 30 }));
    const change = fc.record({ at: fc.nat(lines.length), count: fc.nat(2), put: fc.array(line, { maxLength: 2 }) });
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 4 }), (changes) => {
        const changed = [...lines];
        for (const { at, count, put } of changes) changed.splice(at, count, ...put);
        try {
          read(changed.join("\n"));
        } catch (error) {
          expect(error).toBeInstanceOf(CapstanError);
        }
      }),
      { numRuns: 150 },
    );
  });

  test("tells all problems at once", () => {
    const told = problems("services:\n  a: { imag: x, restart: y }\n  b: { image: x, scale: -1 }");
    expect(told.split("\n").filter((line) => line.startsWith("capstan.yaml:")).length).toBeGreaterThanOrEqual(4);
  });

  test("is looked for in the folder, and named when it is not there", () => {
    rmSync(join(folder, "capstan.yaml"), { force: true });
    const act = () => readServicesFile({ file: undefined }, { cwd: folder, env: {} });
    expect(act).toThrow(/There is no services file capstan.yaml/);
  });

  test("takes the project's name from the folder", () => {
    writeFileSync(join(folder, "My Shop.yaml"), "services:\n  a: { image: x }\n");
    const { name } = readServicesFile({ file: "My Shop.yaml" }, { cwd: folder, env: {} });
    expect(name).toMatch(/^capstan-services-[a-z0-9]+$/);
  });
});
