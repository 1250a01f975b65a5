import type { Finding } from "../finding.ts";
import type { ImageInCheck } from "../image.ts";
import { bootCommandRule } from "./boot-command.ts";
import { callsRule } from "./calls.ts";
import { kernelLimitsRule } from "./kernel-limits.ts";
import { librariesRule } from "./libraries.ts";
import { otherObjectsRule } from "./other-objects.ts";
import { symbolsRule } from "./symbols.ts";
import { treeRule } from "./tree.ts";

export type Rule = (image: ImageInCheck) => Iterable<Finding>;

/** In their order: the first finds out what starts, and the others look at that. */
export const rules: readonly Rule[] = [
  bootCommandRule,
  kernelLimitsRule,
  librariesRule,
  symbolsRule,
  callsRule,
  otherObjectsRule,
  treeRule,
];
