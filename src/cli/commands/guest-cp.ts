import { resolve } from "node:path";
import { copyFromGuest, copyToGuest } from "../../instances/guest/copy.ts";
import { formatSize } from "../../support/bytes.ts";
import type { Answer, CommandContext } from "../answer.ts";
import { withGuestOf } from "../guest.ts";
import { type Input, usageError } from "../input.ts";

export async function run(input: Input, context: CommandContext): Promise<Answer> {
  const [source, target] = [input.need("source"), input.need("target")];
  const [from, to] = [inGuest(source), inGuest(target)];
  if ((from === undefined) === (to === undefined)) {
    throw usageError(
      from === undefined ? "Neither of the two is in a guest." : "Both are in guests.",
      "Write the guest's as INSTANCE:/path: capstan guest cp web:/etc/hosts .",
    );
  }
  const value = await (from !== undefined
    ? withGuestOf(from.name, input, context, (rest) => copyFromGuest(rest, from.path, resolve(context.cwd, target)))
    : withGuestOf(to?.name ?? "", input, context, (rest) =>
        copyToGuest(rest, resolve(context.cwd, source), to?.path ?? ""),
      ));
  const files = value.files === 1 ? "1 file" : `${value.files} files`;
  context.reporter.report({ kind: "step", text: `Copied ${files}, ${formatSize(value.bytes)}` });
  return { value };
}

/** `INSTANCE:/path`; a path of this machine has no colon before its first slash. */
function inGuest(text: string): { readonly name: string; readonly path: string } | undefined {
  const found = /^([^/:]+):(\/.*)$/s.exec(text);
  return found === null ? undefined : { name: found[1] ?? "", path: found[2] ?? "" };
}
