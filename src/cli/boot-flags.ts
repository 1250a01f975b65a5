import { parseEnvFlags } from "../project/boot-command.ts";
import type { Input } from "./input.ts";

/** What the boot command is made of, as far as flags say it; `runFlag` is the one that takes a whole command. */
export function bootFlags(input: Input, runFlag: "run" | "execute") {
  return {
    run: input.text(runFlag),
    runFlag: `--${runFlag}`,
    boot: input.list("boot"),
    env: parseEnvFlags(input.list("env")),
  };
}
