import { nameProblem } from "./names.ts";
import { requirementProblem } from "./versions.ts";
import { formatYaml, readYaml, readYamlFile, type YamlFileOptions, type YamlMap } from "./yaml-file.ts";

/** meta/package.yaml of a project, and NAME.yaml beside a package in a store. */
export interface PackageManifest {
  readonly name: string;
  readonly title: string;
  readonly author: string;
  readonly version?: string;
  /** Packages, in the order in which they are copied into an image: names, with a range of versions or without. */
  readonly require: readonly string[];
  /** Kept and written back; nothing uses it. */
  readonly binary: ReadonlyMap<string, string>;
  /** As it was written; see `formatCreated` and `createdTime`. */
  readonly created?: string;
  /** Free text, such as `Ubuntu-14.04`. */
  readonly platform?: string;
}

export interface ManifestOptions {
  /** What the file is called in messages, such as `meta/package.yaml`. */
  readonly name: string;
  /** Not the project's own: keys of newer versions, such as `arch` and `sha256`, are passed over. */
  readonly foreign?: boolean | undefined;
}

/** What a project without a meta/package.yaml is called. */
export const DEFAULT_MANIFEST: PackageManifest = {
  name: "App",
  title: "App",
  author: "Anonymous",
  require: [],
  binary: new Map(),
};

/** Reads a manifest. Throws one CapstanError (`bad-yaml`) with all of its problems. */
export function parseManifest(source: Uint8Array | string, options: ManifestOptions): PackageManifest {
  return readYaml(source, yamlOptions(options), readManifest);
}

/** The same for a file of the host; undefined when there is none. */
export function readManifestFile(path: string, options: ManifestOptions): PackageManifest | undefined {
  return readYamlFile(path, yamlOptions(options), readManifest);
}

/** The text of a manifest, in the order and style of the original. A creation time that nobody can read is `N/A`. */
export function formatManifest(manifest: PackageManifest): string {
  const created = normalizeCreated(manifest.created);
  return formatYaml([
    ["name", manifest.name],
    ["title", manifest.title],
    ["author", manifest.author],
    ["version", manifest.version],
    ["require", manifest.require],
    ["binary", manifest.binary],
    ["created", created === undefined ? "N/A" : { quoted: created }],
    ["platform", manifest.platform],
  ]);
}

/** A creation time for tables: `YYYY-MM-DD HH:MM` in the zone that it was written in, or `N/A`. */
export function formatCreated(created: string | undefined): string {
  return readCreated(created)?.minutes ?? "N/A";
}

/** A creation time in milliseconds since 1970; undefined when it is unknown. Times without a zone are UTC. */
export function createdTime(created: string | undefined): number | undefined {
  return readCreated(created)?.time;
}

/** The time of now as manifests hold it: local time with its zone, RFC 3339, whole seconds. */
export function createdNow(now: Date): string {
  const offset = -now.getTimezoneOffset();
  const local = new Date(now.getTime() + offset * 60_000).toISOString().slice(0, 19);
  if (offset === 0) return `${local}Z`;
  const [hours, minutes] = [Math.floor(Math.abs(offset) / 60), Math.abs(offset) % 60];
  return `${local}${offset < 0 ? "-" : "+"}${twoDigits(hours)}:${twoDigits(minutes)}`;
}

function yamlOptions(options: ManifestOptions): YamlFileOptions {
  return { name: options.name, unknownKeys: options.foreign === true ? "ignore" : "error" };
}

function readManifest(root: YamlMap): PackageManifest {
  const checkName = (text: string) => (text === "" ? undefined : nameProblem(text, "a package"));
  const name = root.required("name", "write the name of the package, for example 'name: hello'", checkName);
  const title = root.required("title", "write what the package is, in a few words");
  const author = root.required("author", "write who made the package");
  return {
    name: name ?? "",
    title: title ?? "",
    author: author ?? "",
    ...present("version", root.string("version")),
    require: root.strings("require", requirementProblem),
    binary: root.stringMap("binary"),
    ...present("created", root.string("created")),
    ...present("platform", root.string("platform")),
  };
}

function present<K extends string>(key: K, value: string | undefined): { readonly [key in K]?: string } {
  return (value === undefined || value === "" ? {} : { [key]: value }) as { readonly [key in K]?: string };
}

/** RFC 3339 with or without fractions, or `YYYY-MM-DD HH:MM`: what the original reads. */
const CREATED =
  /^(?<date>\d{4}-\d\d-\d\d)(?:T(?<time>\d\d:\d\d:\d\d)(?:[.,]\d+)?(?<zone>Z|[+-]\d\d:\d\d)| (?<short>\d\d:\d\d))$/;

interface Created {
  readonly minutes: string;
  readonly seconds: string;
  readonly time: number;
}

function readCreated(created: string | undefined): Created | undefined {
  const groups = CREATED.exec(created ?? "")?.groups;
  if (groups === undefined) return undefined;
  const { date = "", time = `${groups.short}:00`, zone = "Z" } = groups;
  // Dates that there are not, such as 30 February, roll over to others.
  const local = new Date(`${date}T${time}Z`);
  if (Number.isNaN(local.getTime()) || local.toISOString().slice(0, 19) !== `${date}T${time}`) return undefined;
  const milliseconds = Date.parse(`${date}T${time}${zone}`);
  if (Number.isNaN(milliseconds)) return undefined;
  return { minutes: `${date} ${time.slice(0, 5)}`, seconds: `${date}T${time}${zone}`, time: milliseconds };
}

function normalizeCreated(created: string | undefined): string | undefined {
  return readCreated(created)?.seconds;
}

function twoDigits(value: number): string {
  return String(value).padStart(2, "0");
}
