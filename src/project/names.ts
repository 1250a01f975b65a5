import { quoted } from "./text-file.ts";

/** Package names become NAME.mpm and set names /run/NAME: what is safe as a file name on every system. */
const NAME = /^[A-Za-z0-9_][A-Za-z0-9._+-]*$/;
const NAME_LIMIT = 200;

/** Why a text cannot name a package or a configuration set; undefined when it can. `what`: "a package", for the sentence. */
export function nameProblem(text: string, what: string): string | undefined {
  if (NAME.test(text) && text.length <= NAME_LIMIT) return undefined;
  if (text.length > NAME_LIMIT)
    return `${quoted(text)} is too long as the name of ${what}: use at most ${NAME_LIMIT} characters`;
  return (
    `${quoted(text)} cannot name ${what}: ` +
    "use letters, digits, '.', '_', '-' and '+', and begin with a letter, a digit or '_'"
  );
}
