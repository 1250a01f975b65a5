import { hostError } from "../../filesystems/host-error.ts";
import { quotePath } from "../../filesystems/names.ts";
import { MiB } from "../../support/bytes.ts";
import { CapstanError } from "../../support/errors.ts";
import { isRecord } from "../../support/records.ts";
import { readRegularFile } from "../../support/regular-file.ts";
import { jsonFault } from "./json-position.ts";

/** What of a package.json says how the project is started. Fields of another type than npm takes are as if absent. */
export interface PackageJson {
  readonly name: string | undefined;
  readonly main: string | undefined;
  /** The files of "bin", each once. */
  readonly bin: readonly string[];
  /** "scripts.start". */
  readonly start: string | undefined;
}

/** Errors: CapstanError `bad-package-json` with line and column, `not-a-file`, `file-too-large`, `os-…`. */
export function readPackageJson(path: string): PackageJson {
  const value = parse(path, textOf(path));
  if (!isRecord(value)) throw bad(path, "is no JSON object", 'It must be one: { "name": … }.');
  const scripts = isRecord(value.scripts) ? value.scripts : {};
  return {
    name: textIn(value.name),
    main: textIn(value.main),
    bin: filesOfBin(value.bin),
    start: textIn(scripts.start),
  };
}

function parse(path: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const fault = jsonFault(text);
    const at = fault === undefined ? "" : `:${fault.line}:${fault.column}`;
    throw new CapstanError(`${path}${at} is not valid JSON`, {
      code: "bad-package-json",
      hint: "Correct it there: look for a missing or a spare comma, quote or bracket.",
      cause: error,
    });
  }
}

function textOf(path: string): string {
  try {
    // npm takes a file with a byte order mark.
    return readRegularFile(path, { name: quotePath(path), limit: LARGEST })
      .toString("utf8")
      .replace(/^\ufeff/, "");
  } catch (error) {
    throw hostError(error, path);
  }
}

function filesOfBin(bin: unknown): string[] {
  const files = isRecord(bin) ? Object.values(bin) : [bin];
  return [...new Set(files.filter((file): file is string => textIn(file) !== undefined))];
}

function textIn(value: unknown): string | undefined {
  return typeof value === "string" && value.trim() !== "" && !value.includes("\0") ? value : undefined;
}

function bad(path: string, what: string, hint: string): CapstanError {
  return new CapstanError(`${quotePath(path)} ${what}`, { code: "bad-package-json", hint });
}

const LARGEST = 4 * MiB;
