import { CapstanError, ExitCode } from "../support/errors.ts";

const LONGEST_NAME = 100;

/**
 * The name of an instance, and of its folder.
 * @throws CapstanError `bad-instance-name` (64)
 */
export function checkInstanceName(name: string): string {
  const why = objection(name);
  if (why === undefined) return name;
  throw new CapstanError(`'${name}' cannot be the name of an instance: ${why}`, {
    code: "bad-instance-name",
    hint: "Use letters, digits, dots, dashes and underscores, with a letter or a digit first.",
    exitCode: ExitCode.usage,
  });
}

/** Images may have a namespace, `team/app`; instances are all in one folder. */
export function instanceNameOfImage(image: string): string {
  return checkInstanceName(image.replaceAll("/", "-"));
}

function objection(name: string): string | undefined {
  if (name === "") return "it is empty";
  if (Buffer.byteLength(name) > LONGEST_NAME) return `it is longer than ${LONGEST_NAME} bytes`;
  if (!/^[\p{L}\p{N}]/u.test(name)) return "it begins with neither a letter nor a digit";
  if (!/^[\p{L}\p{N}._+@ -]*$/u.test(name)) return "it holds a character that names of instances cannot have";
  return undefined;
}
