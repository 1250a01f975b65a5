import { basename, join } from "node:path";
import { CapstanError, ExitCode } from "../../support/errors.ts";

/** Where a project keeps its volumes, as the original does. */
export function volumesFolder(project: string): string {
  return join(project, "volumes");
}

const LONGEST_NAME = 200;

/**
 * The name of a new volume: a file name that needs no quoting and has no colon, which ends the path in --volume.
 * @throws CapstanError `bad-volume-name` (64)
 */
export function checkNewVolumeName(name: string): string {
  const why = objection(name);
  if (why === undefined) return name;
  throw badName(name, why);
}

/**
 * The name of a volume that is there, perhaps made by the original, which took any: it only must not lead elsewhere.
 * @throws CapstanError `bad-volume-name` (64)
 */
export function checkVolumeName(name: string): string {
  if (name === "" || name.startsWith(".") || name !== basename(name) || name.includes("\0")) {
    throw badName(name, "it is not the name of a file in the folder volumes");
  }
  return name;
}

function objection(name: string): string | undefined {
  if (name === "") return "it is empty";
  if (Buffer.byteLength(name) > LONGEST_NAME) return `it is longer than ${LONGEST_NAME} bytes`;
  if (!/^[A-Za-z0-9_]/.test(name)) return "it begins with neither a letter nor a digit";
  if (!/^[A-Za-z0-9._+-]*$/.test(name)) return "it holds a character that names of volumes cannot have";
  if (/\.yaml$/i.test(name)) return "names that end in .yaml are those of the descriptions beside the volumes";
  return undefined;
}

function badName(name: string, why: string): CapstanError {
  return new CapstanError(`'${name}' cannot be the name of a volume: ${why}`, {
    code: "bad-volume-name",
    hint: "Use letters, digits, dots, dashes and underscores, with a letter or a digit first.",
    exitCode: ExitCode.usage,
  });
}
