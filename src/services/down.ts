import type { Context } from "../support/context.ts";
import type { Driver, ServiceInstance } from "./driver.ts";
import { inReverse } from "./order.ts";
import type { ServicesFile } from "./services-file.ts";

/** As Compose has it. */
export const USUAL_GRACE_MS = 10_000;

/** Stops all instances that `up` started for the file's project, dependents first, and deletes them unless `keep` is asked for. */
export async function down(
  file: ServicesFile,
  { keep }: { readonly keep: boolean },
  { driver, context }: { readonly driver: Driver; readonly context: Context },
): Promise<readonly string[]> {
  const there = await driver.list();
  const ended: string[] = [];
  const end = async (instance: ServiceInstance) => {
    const graceMs = file.services.get(instance.service)?.stopGraceMs ?? USUAL_GRACE_MS;
    if (instance.isRunning) await driver.stop(instance.name, graceMs);
    if (!keep) await driver.delete(instance.name);
    ended.push(instance.name);
    context.reporter.report({ kind: "step", text: `${instance.name}: ${keep ? "stopped" : "removed"}` });
  };
  // Of services that the file no longer has, nothing is known to depend on others.
  await Promise.all(there.filter(({ service }) => !file.services.has(service)).map(end));
  await inReverse([...file.services.values()], async ({ name }) => {
    await Promise.all(there.filter(({ service }) => service === name).map(end));
  });
  return ended;
}
