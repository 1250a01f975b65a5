import { explainedSignals, explainFailure } from "../check/explain.ts";
import { kernelOf, machineDistribution } from "../compose/check-image.ts";
import { openView } from "../compose/view.ts";
import { hostSpace } from "../filesystems/host-space.ts";
import { treeSpace } from "../filesystems/tree-space.ts";
import type { RunResult } from "../instances/run.ts";
import type { RunImage } from "../instances/run-input.ts";
import { CapstanError } from "../support/errors.ts";
import type { CommandContext } from "./answer.ts";

/**
 * What to say after a run: of a failure, what the image itself tells of it, then what the console's sentences mean.
 * A failure never ends without a word: where nothing explains it, its exit status does.
 */
export function adviceAfter(
  result: RunResult,
  image: RunImage | undefined,
  context: CommandContext,
): readonly string[] {
  const { advice, outcome, guestStatus } = result;
  if (outcome !== "failed") return advice;
  const explained = image === undefined ? [] : explain(result, image, context);
  if (explained.length > 0) {
    const said = result.signals.flatMap((signal) =>
      explainedSignals.includes(signal.id) ? (signal.advice ?? []) : [],
    );
    return [...explained, ...advice.filter((text) => !said.includes(text))];
  }
  if (advice.length > 0) return advice;
  if (guestStatus === undefined) return ["The guest said that it failed: see its last lines above."];
  return [`The program ended with exit status ${guestStatus}: see what it said above.`];
}

/** The image may be gone, or of a kind that cannot be looked into: then the console's sentences stand alone. */
function explain({ signals, commandLine }: RunResult, image: RunImage, { env }: CommandContext): readonly string[] {
  try {
    const view = openView(image.path);
    try {
      const { tree } = view.root();
      const kernel = kernelOf({ name: image.name, image: image.path, kernel: image.kernel });
      return explainFailure(signals, {
        ...{ tree, kernel, space: treeSpace(tree, `the image ${image.name}`) },
        commandLine,
        hostSpace: hostSpace("/"),
        distribution: machineDistribution(env),
      });
    } finally {
      view.close();
    }
  } catch (error) {
    if (error instanceof CapstanError) return [];
    throw error;
  }
}
