import { formatYaml, readYaml, readYamlFile, type YamlMap } from "../project/yaml-file.ts";

/** What index.yaml says of an image; undefined is unknown. */
export interface ImageMeta {
  readonly version?: string | undefined;
  /** As it was written; `formatCreated` makes a table's text of it. */
  readonly created?: string | undefined;
  readonly description?: string | undefined;
  /** The command that built the image. */
  readonly build?: string | undefined;
  /** The system that its programs were built on. */
  readonly platform?: string | undefined;
  /** A digest of what Capstan composed the image from; the original passes it over. */
  readonly inputs?: string | undefined;
}

/** The keys, their order, and that the first five are always there: as the original writes and reads them. */
export function formatImageIndex(meta: ImageMeta): string {
  const text = (value: string | undefined) => (value === undefined || value === "" ? { quoted: "" } : value);
  return formatYaml([
    ["format_version", { quoted: "1" }],
    ["version", text(meta.version)],
    ["created", text(meta.created)],
    ["description", text(meta.description)],
    ["build", text(meta.build)],
    ["platform", meta.platform],
    ["inputs", meta.inputs],
  ]);
}

/** Loaders from elsewhere often have no index: then nothing is known, and that is no error. */
export function readImageIndex(path: string): ImageMeta {
  return readYamlFile(path, { name: path, unknownKeys: "ignore" }, readMeta) ?? {};
}

/** The same of a text; `name` is what messages call it. Error: CapstanError `bad-yaml`. */
export function parseImageIndex(source: Uint8Array | string, name: string): ImageMeta {
  return readYaml(source, { name, unknownKeys: "ignore" }, readMeta);
}

/** The time of making as index.yaml has it: local, to the minute, without a zone. */
export function formatLocalTime(time: Date): string {
  const two = (value: number) => String(value).padStart(2, "0");
  const day = `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())}`;
  return `${day} ${two(time.getHours())}:${two(time.getMinutes())}`;
}

function readMeta(root: YamlMap): ImageMeta {
  return {
    version: root.string("version") || undefined,
    created: root.string("created") || undefined,
    description: root.string("description") || undefined,
    build: root.string("build") || undefined,
    platform: root.string("platform") || undefined,
    inputs: root.string("inputs") || undefined,
  };
}
