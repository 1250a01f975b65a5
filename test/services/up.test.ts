import { describe, expect, test } from "vitest";
import { down } from "../../src/services/down.ts";
import type { Driver, ServiceInstance } from "../../src/services/driver.ts";
import type { Dependency, Service, ServicesFile } from "../../src/services/services-file.ts";
import { type UpInput, up } from "../../src/services/up.ts";
import type { ReportEvent } from "../../src/support/reporter.ts";

/** Instances that exist in a list alone. */
class World implements Driver {
  readonly instances: ServiceInstance[] = [];
  readonly did: string[] = [];
  origin = "one";
  /** What becomes of a service's instance when it is started. */
  becomes: Readonly<Record<string, Partial<ServiceInstance>>> = {};

  async list() {
    return [...this.instances];
  }

  async prepare(service: Service) {
    const origin = `${service.name} ${this.origin}`;
    const create = async ({ name, number }: { name: string; number: number }) => {
      this.did.push(`create ${name}`);
      this.add({ name, number, origin, service: service.name, ...this.becomes[service.name] });
    };
    return { service, origin, create };
  }

  add(instance: Partial<ServiceInstance> & Pick<ServiceInstance, "name" | "service">) {
    const rest = { health: undefined, guestStatus: undefined, reason: undefined };
    this.instances.push({ number: 1, origin: "", state: "running", isRunning: true, ...rest, ...instance });
  }

  async start(name: string) {
    this.did.push(`start ${name}`);
  }

  async stop(name: string, graceMs: number) {
    this.did.push(`stop ${name} ${graceMs}`);
  }

  async delete(name: string) {
    this.did.push(`delete ${name}`);
    this.instances.splice(
      this.instances.findIndex((instance) => instance.name === name),
      1,
    );
  }
}

function service(name: string, more: Partial<Service> = {}): Service {
  const empty = { ports: [], disks: [], mounts: [], dependsOn: [], profiles: [], networks: [] };
  const none = {
    ...{ command: undefined, words: undefined, healthcheck: undefined, memory: undefined, cpus: undefined },
    ...{ instanceName: undefined, mac: undefined },
  };
  return {
    ...{ name, where: "", source: { kind: "image", image: name }, environment: new Map(), restart: "no" },
    ...{ replicas: 1, stopGraceMs: 5 },
    ...empty,
    ...none,
    ...more,
  };
}

const needs = (name: string, condition: Dependency["condition"] = "service_started") => ({
  dependsOn: [{ service: name, condition }],
});

function makeFile(...services: readonly Service[]): ServicesFile {
  return {
    ...{ path: "/p/capstan.yaml", folder: "/p", name: "p", networks: new Map(), volumes: new Map() },
    services: new Map(services.map((one) => [one.name, one])),
  };
}

const events: ReportEvent[] = [];

function context() {
  let time = 0;
  events.length = 0;
  return {
    ...{ cwd: "/p", env: {}, signal: new AbortController().signal },
    // Each look at the clock takes a second, so that waiting comes to its end.
    now: () => {
      time += 1000;
      return new Date(time);
    },
    reporter: { verbose: false, report: (event: ReportEvent) => void events.push(event) },
  };
}

async function bring(world: World, file: ServicesFile, more: Partial<UpInput> = {}) {
  const usual = { services: [], profiles: [], scale: new Map(), recreate: false, removeOrphans: false };
  const results = await up({ file, wait: false, waitMs: 3000, ...usual, ...more }, world, context());
  return results.map(({ name, change }) => `${name} ${change}`);
}

describe("bringing services up", () => {
  test("makes what is missing after what it needs, and leaves alone what is right", async () => {
    const world = new World();
    const file = makeFile(service("web", needs("db")), service("db"));
    expect(await bring(world, file)).toEqual(["p-db-1 created", "p-web-1 created"]);
    expect(await bring(world, file)).toEqual(["p-db-1 unchanged", "p-web-1 unchanged"]);
    world.origin = "two";
    expect(await bring(world, file, { services: ["db"] })).toEqual(["p-db-1 recreated"]);
    expect(world.did.slice(2)).toEqual(["stop p-db-1 5", "delete p-db-1", "create p-db-1"]);
  });

  test.each([
    ["one port", [8080], 3, true],
    ["two ports", [8080, 8081], 3, true],
    ["enough ports", [8080, 8081, 8082], 3, false],
    ["any free port", [0], 3, false],
    ["one port", [8080], 1, false],
  ])("%s of this machine, %j, for --scale %d", async (_, hostPorts, count, isRefused) => {
    const world = new World();
    const ports = [{ protocol: "tcp", address: "", guestPort: 80, hostPorts }] as const;
    const brought = bring(world, makeFile(service("web", { ports })), { scale: new Map([["web", count]]) });
    if (!isRefused) return expect(await brought).toHaveLength(count);
    await expect(brought).rejects.toMatchObject({ code: "too-few-ports", message: expect.stringContaining("web: ") });
    expect(world.did).toEqual([]);
  });

  test("leaves services of a profile out unless it, or they, are asked for", async () => {
    const file = makeFile(service("web"), service("tool", { profiles: ["debug"], ...needs("web") }));
    expect(await bring(new World(), file)).toEqual(["p-web-1 created"]);
    const both = ["p-web-1 created", "p-tool-1 created"];
    expect(await bring(new World(), file, { profiles: ["debug"] })).toEqual(both);
    expect(await bring(new World(), file, { profiles: ["*"] })).toEqual(both);
    expect(await bring(new World(), file, { services: ["tool"] })).toEqual(both);
    const alone = makeFile(service("tool", { profiles: ["debug"] }));
    await expect(bring(new World(), alone)).rejects.toThrow(/All services have a profile/);
  });

  test("tells of instances that the file has no service for, and removes them only when asked", async () => {
    const world = new World();
    world.add({ name: "p-old-1", service: "old" });
    const file = makeFile(service("web"));
    expect(await bring(world, file)).toEqual(["p-web-1 created"]);
    expect(events).toContainEqual({ kind: "warning", text: expect.stringContaining("p-old-1") });
    expect(await bring(world, file, { removeOrphans: true })).toEqual(["p-old-1 removed", "p-web-1 unchanged"]);
  });

  test("says what an unhealthy one's check saw when it does not get healthy", async () => {
    const world = new World();
    world.becomes = { db: { health: "unhealthy", reason: "port 1 is closed" } };
    const file = makeFile(service("db"), service("web", needs("db", "service_healthy")));
    await expect(bring(world, file)).rejects.toThrow(/p-db-1 is unhealthy: port 1 is closed/);
    expect(world.did).toEqual(["create p-db-1"]);
  });

  test.each([
    ["service_healthy", {}, /no health check/],
    ["service_healthy", { isRunning: false, state: "stopped" }, /has ended/],
    ["service_completed_successfully", { isRunning: false, state: "failed", reason: "it fell" }, /it fell/],
    ["service_completed_successfully", { isRunning: false, state: "stopped", guestStatus: 3 }, /has failed/],
  ] as const)("does not go on after %s that cannot be met: %j", async (condition, state, message) => {
    const world = new World();
    world.becomes = { db: state };
    const file = makeFile(service("db"), service("web", needs("db", condition)));
    await expect(bring(world, file)).rejects.toThrow(message);
    expect(world.did).toEqual(["create p-db-1"]);
  });

  test("goes on when a condition is met", async () => {
    const world = new World();
    world.becomes = { db: { health: "healthy" }, job: { isRunning: false, state: "stopped", guestStatus: 0 } };
    const dependsOn = [
      ...needs("db", "service_healthy").dependsOn,
      ...needs("job", "service_completed_successfully").dependsOn,
    ];
    expect(await bring(world, makeFile(service("db"), service("job"), service("web", { dependsOn })))).toHaveLength(3);
  });
});

test("taking services down ends dependents first, and what the file no longer has", async () => {
  const world = new World();
  const file = makeFile(service("db"), service("web", needs("db")));
  for (const name of ["db", "web", "old"]) world.add({ name: `p-${name}-1`, service: name });
  expect(await down(file, { keep: true }, { driver: world, context: context() })).toHaveLength(3);
  expect(world.instances).toHaveLength(3);
  world.did.length = 0;
  await down(file, { keep: false }, { driver: world, context: context() });
  expect(world.did).toEqual([
    ...["stop p-old-1 10000", "delete p-old-1"],
    ...["stop p-web-1 5", "delete p-web-1", "stop p-db-1 5", "delete p-db-1"],
  ]);
});
