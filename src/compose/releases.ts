import type { Layout } from "../store/layout.ts";
import type { Loader } from "../store/loaders.ts";
import { latestOrigin } from "../store/origins.ts";
import type { Context } from "../support/context.ts";
import type { Plan } from "./plan.ts";

/**
 * Warns when the kernel and the packages of an image were fetched from different releases: packages of years ago do not
 * always fit a kernel of today. What was imported has no release, and is left to who imported it.
 */
export function tellMixedReleases(
  { packages }: Plan,
  loader: Loader,
  { layout, context }: { readonly layout: Layout; readonly context: Context },
): void {
  const named = [
    { name: `the loader ${loader.name}`, origin: latestOrigin(layout, "image", loader.name) },
    ...packages.map(({ name, version }) => {
      const origin = latestOrigin(layout, "package", name);
      return { name, origin: origin?.version === version ? origin : undefined };
    }),
  ];
  const releases = new Map<string, string[]>();
  for (const { name, origin } of named) {
    if (origin?.release === undefined) continue;
    releases.set(origin.release, [...(releases.get(origin.release) ?? []), name]);
  }
  if (releases.size < 2) return;
  const text = [...releases].map(([release, names]) => `${names.join(", ")} of ${release}`).join("; ");
  context.reporter.report({
    kind: "warning",
    text: `The image mixes what different releases brought: ${text}`,
    hint: "If it misbehaves, fetch all from one: --release-tag TAG of pull and package pull.",
  });
}
