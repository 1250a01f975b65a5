import type { Service } from "./services-file.ts";

type Services = ReadonlyMap<string, Service>;

/** Tells of services that wait for each other in a circle: each circle once, at the service that closes it. */
export function checkOrder(services: Services, problem: (service: Service, text: string) => void): void {
  const done = new Set<string>();
  for (const start of services.keys()) visit(start, []);

  function visit(name: string, path: readonly string[]): void {
    const service = services.get(name);
    if (service === undefined || done.has(name)) return;
    const before = path.indexOf(name);
    if (before !== -1) {
      const last = services.get(path.at(-1) ?? name) ?? service;
      problem(last, `services wait for each other: ${[...path.slice(before), name].join(" → ")}`);
      return;
    }
    for (const { service: next } of service.dependsOn) visit(next, [...path, name]);
    done.add(name);
  }
}

/** The named services, all without names, and what they depend on, in the order of the file. */
export function withDependencies(services: Services, names: readonly string[]): ReadonlySet<string> {
  const wanted = new Set<string>();
  const add = (name: string) => {
    if (wanted.has(name)) return;
    wanted.add(name);
    for (const { service } of services.get(name)?.dependsOn ?? []) add(service);
  };
  for (const name of names.length === 0 ? services.keys() : names) add(name);
  return new Set([...services.keys()].filter((name) => wanted.has(name)));
}

/**
 * Does something for each service as soon as it is done for those that it depends on; at once where nothing is to be waited for.
 * After a failure no further one is begun; the first error is thrown when all that run have come to their end.
 */
export async function inOrder(services: readonly Service[], act: (service: Service) => Promise<void>): Promise<void> {
  return await walk(services, (service) => service.dependsOn.map((dependency) => dependency.service), act);
}

/** The same the other way round: a service comes after those that depend on it. */
export async function inReverse(services: readonly Service[], act: (service: Service) => Promise<void>): Promise<void> {
  const dependents = (service: Service) =>
    services
      .filter((other) => other.dependsOn.some((dependency) => dependency.service === service.name))
      .map(({ name }) => name);
  return await walk(services, dependents, act);
}

async function walk(
  services: readonly Service[],
  before: (service: Service) => readonly string[],
  act: (service: Service) => Promise<void>,
): Promise<void> {
  const started = new Map<string, Promise<void>>();
  const byName = new Map(services.map((service) => [service.name, service]));
  let failed = false;
  const start = (service: Service): Promise<void> => {
    const known = started.get(service.name);
    if (known !== undefined) return known;
    const first = before(service).flatMap((name) => {
      const other = byName.get(name);
      return other === undefined ? [] : [other];
    });
    const promise = (async () => {
      await Promise.all(first.map(start));
      if (failed) return;
      try {
        await act(service);
      } catch (error) {
        failed = true;
        throw error;
      }
    })();
    started.set(service.name, promise);
    return promise;
  };
  const results = await Promise.allSettled(services.map(start));
  const failure = results.find((result) => result.status === "rejected");
  if (failure !== undefined) throw failure.reason;
}
