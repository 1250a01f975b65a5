import { nameProblem } from "../../project/names.ts";
import { quoted } from "../../project/text-file.ts";
import { parseImageName } from "../../store/names.ts";
import { CapstanError } from "../../support/errors.ts";
import { isRecord } from "../../support/records.ts";
import { JsonObject, Problems } from "./json-value.ts";
import { parseRelativeUrl } from "./relative-path.ts";
import {
  INDEX_SCHEMA,
  type IndexedFile,
  type IndexedImage,
  type IndexedPackage,
  IndexLimit,
  type RepositoryIndex,
} from "./schema.ts";

/**
 * Reads an index.json of a stranger. `name` stands for it in messages.
 * Errors: CapstanError `remote-index-invalid` with all problems and their places, `remote-index-newer`.
 */
export function parseIndex(bytes: Uint8Array, name: string): RepositoryIndex {
  const root = parseJson(bytes, name);
  const problems = new Problems();
  const object = new JsonObject(root, "", problems);
  checkSchema(object.count("schema"), name);
  const index = {
    generated: object.required("generated", generatedProblem) ?? "",
    packages: object.objects("packages").flatMap((item) => readPackage(item)),
    images: object.objects("images").flatMap((item) => readImage(item)),
  };
  checkRepeated(index, problems);
  if (problems.list.length === 0) return index;
  throw invalid(name, problems.list);
}

function parseJson(bytes: Uint8Array, name: string): Readonly<Record<string, unknown>> {
  if (bytes.length > IndexLimit.document) throw invalid(name, [`it is larger than ${IndexLimit.document} bytes`]);
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (error) {
    const looksLikePage = /^\s*</.test(Buffer.from(bytes.subarray(0, 64)).toString("latin1"));
    const reason = error instanceof SyntaxError ? error.message.replace(/\s+/g, " ").slice(0, 120) : "it is not UTF-8";
    throw invalid(name, [looksLikePage ? "it is a web page, not JSON" : reason]);
  }
  if (isRecord(value)) return value;
  throw invalid(name, ["it must be an object"]);
}

function checkSchema(schema: number | undefined, name: string): void {
  if (schema === INDEX_SCHEMA) return;
  if (schema === undefined || schema < INDEX_SCHEMA) {
    throw invalid(name, [`schema: must be ${INDEX_SCHEMA}; this is not an index of a Capstan repository`]);
  }
  throw new CapstanError(`${name} has the schema ${schema}, and this version of Capstan reads ${INDEX_SCHEMA}`, {
    code: "remote-index-newer",
    hint: "Install a newer Capstan.",
  });
}

function readPackage(item: JsonObject): readonly IndexedPackage[] {
  const name = item.required("name", (text) => nameProblem(text, "a package"));
  const archive = readFile(item);
  const manifest = requiredFile(item, "manifest");
  const rest = {
    ...readCommon(item),
    title: item.string("title"),
    author: item.string("author"),
    require: item.strings("require"),
  };
  if (name === undefined || archive === undefined || manifest === undefined) return [];
  return [{ name, ...rest, archive, manifest }];
}

function readImage(item: JsonObject): readonly IndexedImage[] {
  const name = item.required("name", imageNameProblem);
  const disk = requiredFile(item, "disk");
  const rest = {
    ...readCommon(item),
    description: item.string("description"),
    kernel: optionalFile(item, "kernel"),
    index: optionalFile(item, "index"),
  };
  return name === undefined || disk === undefined ? [] : [{ name, ...rest, disk }];
}

function readCommon(item: JsonObject) {
  return {
    version: item.string("version", blankProblem),
    arch: item.string("arch", (text) => nameProblem(text, "an architecture")),
    created: item.string("created"),
    platform: item.string("platform"),
  };
}

function requiredFile(item: JsonObject, key: string): IndexedFile | undefined {
  if (!item.has(key)) item.problem(key, "is missing");
  return optionalFile(item, key);
}

function optionalFile(item: JsonObject, key: string): IndexedFile | undefined {
  const file = item.object(key);
  return file === undefined ? undefined : readFile(file);
}

function readFile(item: JsonObject): IndexedFile | undefined {
  const size = item.count("size");
  const sha256 = item.required("sha256", (text) =>
    /^[0-9a-f]{64}$/i.test(text) ? undefined : "must be 64 hexadecimal digits",
  );
  const gzip = item.flag("gzip");
  const url = item.required("url");
  const parsed = url === undefined ? undefined : parseRelativeUrl(url);
  if (parsed !== undefined && "problem" in parsed) item.problem("url", parsed.problem);
  if (size === undefined || sha256 === undefined || parsed === undefined || "problem" in parsed) return undefined;
  return { path: parsed.path, size, sha256: sha256.toLowerCase(), gzip };
}

/** The same name, version and architecture twice would leave it to chance which of them is taken. */
function checkRepeated(index: Pick<RepositoryIndex, "packages" | "images">, problems: Problems): void {
  for (const [what, items] of [
    ["packages", index.packages],
    ["images", index.images],
  ] as const) {
    const seen = new Set<string>();
    for (const { name, version = "", arch = "" } of items) {
      const key = JSON.stringify([name, version, arch]);
      if (seen.has(key)) problems.add(what, `${quoted([name, version, arch].join(" ").trim())} is there twice`);
      seen.add(key);
    }
  }
}

function imageNameProblem(text: string): string | undefined {
  return parseImageName(text) === undefined ? `${quoted(text)} cannot be the name of an image` : undefined;
}

function blankProblem(text: string): string | undefined {
  return text.trim() === "" ? "must not be empty" : undefined;
}

function generatedProblem(text: string): string | undefined {
  const isTime = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/.test(text) && !Number.isNaN(Date.parse(text));
  return isTime ? undefined : "must be a time such as 2026-11-20T09:11:00Z";
}

function invalid(name: string, problems: readonly string[]): CapstanError {
  return new CapstanError(`${name} is not a sound index: ${problems[0]}`, {
    code: "remote-index-invalid",
    hint: "Whoever keeps the repository makes it anew with 'capstan repo index'.",
    details: problems.length > 1 ? problems : [],
  });
}
