import { setTimeout as delay } from "node:timers/promises";
import type { Context } from "../support/context.ts";
import { CapstanError, ExitCode } from "../support/errors.ts";
import { didYouMean } from "../support/suggest.ts";
import { USUAL_GRACE_MS } from "./down.ts";
import type { Driver, PreparedService, ServiceInstance } from "./driver.ts";
import { inOrder, withDependencies } from "./order.ts";
import { tooFew } from "./read-ports.ts";
import type { Dependency, Service, ServicesFile } from "./services-file.ts";

export interface UpInput {
  readonly file: ServicesFile;
  /** These and what they depend on; all without names. */
  readonly services: readonly string[];
  /** Those that are asked for: services with others are left out unless they are named. */
  readonly profiles: readonly string[];
  /** Numbers of instances, instead of the file's. */
  readonly scale: ReadonlyMap<string, number>;
  /** Makes all instances anew, changed or not. */
  readonly recreate: boolean;
  /** Removes instances of services that the file no longer has. */
  readonly removeOrphans: boolean;
  /** Comes back when all are healthy that have a health check. */
  readonly wait: boolean;
  /** How long a dependency, and with `wait` everything, may take to get healthy. */
  readonly waitMs: number;
}

export type Change = "created" | "recreated" | "started" | "unchanged" | "removed";

export interface UpResult {
  readonly name: string;
  readonly service: string;
  readonly change: Change;
}

/**
 * Brings the services to what the file says: what is missing is made, what has changed is made anew, what is too much is
 * removed, and what is right is left alone. Each service waits for those that it depends on.
 * @throws CapstanError `no-such-service` (64), `service-not-ready` (1), and those of starting an instance
 */
export async function up(input: UpInput, driver: Driver, context: Context): Promise<readonly UpResult[]> {
  const { file } = input;
  checkNames(file, [...input.services, ...input.scale.keys()]);
  const wanted = withDependencies(file.services, input.services.length > 0 ? input.services : activeOf(input));
  const services = [...file.services.values()].filter(({ name }) => wanted.has(name));
  checkPorts(services, input.scale);
  // Composing one after another: it uses all of the machine by itself, and its messages stay together.
  const prepared = new Map<string, PreparedService>();
  for (const service of services) prepared.set(service.name, await driver.prepare(service));
  const results: UpResult[] = [...(await orphans(input, driver, context))];
  await inOrder(services, async (service) => {
    for (const dependency of service.dependsOn) await waitFor(dependency, service, { input, driver, context });
    const made = prepared.get(service.name);
    if (made !== undefined) results.push(...(await bringUp(made, { input, driver, context })));
  });
  if (input.wait) for (const service of services) await waitUntilHealthy(service, { input, driver, context });
  return results;
}

/** With no name at all, every service would be meant. */
function activeOf({ file, profiles }: UpInput): readonly string[] {
  const active = [...file.services.values()].filter(
    (service) =>
      service.profiles.length === 0 ||
      profiles.includes("*") ||
      service.profiles.some((profile) => profiles.includes(profile)),
  );
  if (active.length > 0) return active.map(({ name }) => name);
  throw new CapstanError("All services have a profile, and none of these is asked for", {
    code: "no-such-service",
    hint: "Name a profile with --profile, or a service.",
    exitCode: ExitCode.usage,
  });
}

async function orphans({ file, removeOrphans }: UpInput, driver: Driver, context: Context): Promise<UpResult[]> {
  const left = (await driver.list()).filter(({ service }) => !file.services.has(service));
  const names = left.map(({ name }) => name).join(", ");
  if (left.length > 0 && !removeOrphans) {
    const text = `The file has no services any more for ${names}: --remove-orphans removes them`;
    context.reporter.report({ kind: "warning", text });
    return [];
  }
  for (const instance of left) {
    await remove(instance, USUAL_GRACE_MS, driver);
    context.reporter.report({ kind: "step", text: `${instance.name}: removed` });
  }
  return left.map(({ name, service }) => ({ name, service, change: "removed" }));
}

interface Work {
  readonly input: UpInput;
  readonly driver: Driver;
  readonly context: Context;
}

export function checkNames({ services }: ServicesFile, names: readonly string[]): void {
  for (const name of names) {
    if (services.has(name)) continue;
    const known = [...services.keys()];
    throw new CapstanError(`There is no service ${name}.${didYouMean(name, known)}`, {
      code: "no-such-service",
      hint: `The services are ${known.join(", ")}.`,
      exitCode: ExitCode.usage,
    });
  }
}

/** What the file says of its own number of instances is told with its place when it is read. */
function checkPorts(services: readonly Service[], scale: UpInput["scale"]): void {
  for (const { name, ports } of services) {
    const replicas = scale.get(name) ?? 1;
    const short = ports.find(({ hostPorts: [first], hostPorts }) => first !== 0 && hostPorts.length < replicas);
    if (short === undefined) continue;
    const [first = 0] = short.hostPorts;
    throw new CapstanError(`${name}: ${tooFew(short.hostPorts.length, replicas)}`, {
      code: "too-few-ports",
      hint: `Write '${first}-${first + replicas - 1}:${short.guestPort}' under its ports, or '${short.guestPort}' for any free ports.`,
      exitCode: ExitCode.usage,
    });
  }
}

/** As Compose names them: PROJECT-SERVICE-NUMBER. */
export function instanceName({ name: project }: ServicesFile, service: Service, number: number): string {
  return service.instanceName ?? `${project}-${service.name}-${number}`;
}

async function bringUp(prepared: PreparedService, work: Work): Promise<UpResult[]> {
  const { input, driver } = work;
  const { service } = prepared;
  const replicas = input.scale.get(service.name) ?? service.replicas;
  const there = (await driver.list()).filter((instance) => instance.service === service.name);
  const results: UpResult[] = [];
  const tell = (name: string, change: Change) => {
    results.push({ name, service: service.name, change });
    work.context.reporter.report({ kind: "step", text: `${name}: ${change}` });
  };
  for (const surplus of there.filter(({ number }) => number > replicas)) {
    await remove(surplus, service.stopGraceMs, driver);
    tell(surplus.name, "removed");
  }
  for (let number = 1; number <= replicas; number++) {
    const name = instanceName(input.file, service, number);
    const before = there.find((instance) => instance.number === number);
    tell(name, await bringUpOne(prepared, { name, number, before }, work));
  }
  return results;
}

interface Place {
  readonly name: string;
  readonly number: number;
  readonly before: ServiceInstance | undefined;
}

async function bringUpOne(
  prepared: PreparedService,
  { name, number, before }: Place,
  { input, driver }: Work,
): Promise<Change> {
  if (before === undefined) {
    await prepared.create({ name, number });
    return "created";
  }
  if (before.origin !== prepared.origin || before.name !== name || input.recreate) {
    await remove(before, prepared.service.stopGraceMs, driver);
    await prepared.create({ name, number });
    return "recreated";
  }
  if (before.isRunning) return "unchanged";
  await driver.start(name);
  return "started";
}

async function remove(instance: ServiceInstance, graceMs: number, driver: Driver): Promise<void> {
  if (instance.isRunning) await driver.stop(instance.name, graceMs);
  await driver.delete(instance.name);
}

const POLL_MS = 200;

/** `service_started` holds as soon as the other one has been brought up, which the order sees to. */
async function waitFor({ service: name, condition }: Dependency, waiting: Service, work: Work): Promise<void> {
  if (condition === "service_started") return;
  const isMet = condition === "service_healthy" ? isHealthy : hasCompleted;
  await poll(work, name, (instances) => instances.every(isMet), `${waiting.name} waits for ${name} (${condition})`);
}

async function waitUntilHealthy(service: Service, work: Work): Promise<void> {
  const isReady = service.healthcheck === undefined ? () => true : isHealthy;
  await poll(work, service.name, (instances) => instances.every(isReady), `waiting for ${service.name} to be healthy`);
}

function isHealthy(instance: ServiceInstance): boolean {
  if (instance.health === "healthy") return true;
  if (!instance.isRunning) throw notReady(`${instance.name} has ended and cannot become healthy`, instance);
  if (instance.health === undefined) {
    throw notReady(`${instance.name} has no health check, so nobody can tell when it is healthy`, instance);
  }
  return false;
}

function hasCompleted(instance: ServiceInstance): boolean {
  if (instance.isRunning) return false;
  if (hasSucceeded(instance)) return true;
  throw notReady(`${instance.name} has failed${instance.reason === undefined ? "" : `: ${instance.reason}`}`, instance);
}

/** Of one that has ended. */
export function hasSucceeded({ state, guestStatus }: ServiceInstance): boolean {
  return state !== "failed" && (guestStatus ?? 0) === 0;
}

async function poll(
  { input, driver, context }: Work,
  service: string,
  isMet: (instances: readonly ServiceInstance[]) => boolean,
  what: string,
): Promise<void> {
  const until = context.now().getTime() + input.waitMs;
  for (let isFirst = true; ; isFirst = false) {
    const instances = (await driver.list()).filter((instance) => instance.service === service);
    if (isMet(instances)) return;
    if (isFirst) context.reporter.report({ kind: "step", text: what });
    if (context.now().getTime() >= until) {
      const states = instances.map(describe).join(", ");
      throw new CapstanError(`${what}: it took more than ${Math.round(input.waitMs / 1000)} seconds (${states})`, {
        code: "service-not-ready",
        hint: `Look at its console with capstan logs, or give it more time with --wait-timeout.`,
        exitCode: ExitCode.runFailed,
      });
    }
    await delay(POLL_MS, undefined, { signal: context.signal });
  }
}

function describe({ name, state, health, reason }: ServiceInstance): string {
  return `${name} is ${health ?? state}${reason === undefined ? "" : `: ${reason}`}`;
}

function notReady(text: string, { name }: ServiceInstance): CapstanError {
  return new CapstanError(text, {
    code: "service-not-ready",
    hint: `Look at its console: capstan logs ${name}`,
    exitCode: ExitCode.runFailed,
  });
}
