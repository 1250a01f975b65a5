import { packageTime } from "../packages/build-package.ts";
import type { Context } from "../support/context.ts";

/** The time for what is made: SOURCE_DATE_EPOCH where it is set, else now. RFC 3339, UTC, whole seconds. */
export function generatedTime({ env, now }: Pick<Context, "env" | "now">): string {
  const given = env.SOURCE_DATE_EPOCH !== undefined && env.SOURCE_DATE_EPOCH !== "";
  const time = given ? new Date(packageTime({}, env) * 1000) : now();
  return `${time.toISOString().slice(0, 19)}Z`;
}
