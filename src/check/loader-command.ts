/** A command that starts a program through Linux's dynamic loader: `/lib64/ld-linux-x86-64.so.2 [options] program …`. */
export interface LoaderCommand {
  readonly loader: string;
  /** Undefined where the loader is only asked for something (--help), or nothing follows it. */
  readonly program: string | undefined;
  /** --library-path, split. */
  readonly libraryPath: readonly string[] | undefined;
}

/** Undefined where the first word is no dynamic loader. The loaders' names: glibc's (all machines) and musl's. */
export function loaderCommand(words: readonly string[]): LoaderCommand | undefined {
  const [loader, ...rest] = words;
  if (loader === undefined || !isLoaderName(loader)) return undefined;
  let libraryPath: readonly string[] | undefined;
  while (rest[0]?.startsWith("--")) {
    const option = rest.shift() ?? "";
    const [name = "", attached] = option.split("=", 2);
    const value = TAKES_VALUE.has(name) ? (attached ?? rest.shift()) : undefined;
    if (name === "--library-path") libraryPath = (value ?? "").split(/[:;]/).filter((path) => path !== "");
  }
  return { loader, program: rest[0], libraryPath };
}

export function isLoaderName(path: string): boolean {
  return /^(?:ld-linux[^/]*|ld64|ld|ld-musl-[^/]*)\.so\.[0-9]+$/.test(path.slice(path.lastIndexOf("/") + 1));
}

/** ld.so(8). */
const TAKES_VALUE = new Set([
  "--library-path",
  "--inhibit-rpath",
  "--audit",
  "--preload",
  "--argv0",
  "--glibc-hwcaps-prepend",
  "--glibc-hwcaps-mask",
]);
