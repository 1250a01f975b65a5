import { nameProblem } from "../project/names.ts";
import { quoted } from "../project/text-file.ts";
import { CapstanError, ExitCode } from "../support/errors.ts";

export interface ImageName {
  /** `[NS/]NAME`, as users write it. */
  readonly full: string;
  /** The last part, which the files of the image are named after. */
  readonly base: string;
}

/** Undefined when the name would not stay one folder, or two, below the repository. */
export function parseImageName(name: string): ImageName | undefined {
  const parts = name.split("/");
  const base = parts.at(-1);
  if (base === undefined || parts.length > 2) return undefined;
  return parts.some((part) => nameProblem(part, "an image") !== undefined) ? undefined : { full: name, base };
}

/** Error: CapstanError `bad-image-name`. */
export function checkImageName(name: string): ImageName {
  const parsed = parseImageName(name);
  if (parsed !== undefined) return parsed;
  throw new CapstanError(`${quoted(name)} cannot be the name of an image`, {
    code: "bad-image-name",
    hint:
      "Use NAME or NAMESPACE/NAME: each of letters, digits, '.', '_', '-' and '+', " +
      "beginning with a letter, a digit or '_', and of at most 200 characters.",
    exitCode: ExitCode.usage,
  });
}
