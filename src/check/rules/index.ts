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

/** Of what a boot command starts. In their order: the first finds out what that is, and the others look at it. */
export const startRules: readonly Rule[] = [bootCommandRule, kernelLimitsRule, librariesRule, symbolsRule, callsRule];

/** Of all that the image has, once it is known what starts. */
export const contentRules: readonly Rule[] = [otherObjectsRule, treeRule];
