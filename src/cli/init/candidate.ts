/** What a folder may be taken for. Its files are made when it is chosen: what is wrong with it is told then. */
export interface Candidate {
  readonly kind: Kind;
  /** A phrase, for questions: "the Rust program server". */
  readonly title: string;
  readonly describe: () => Description;
}

export type Kind = (typeof KINDS)[number];

/** The best first, where a folder is several things. */
export const KINDS = ["node", "rust", "go", "java", "python", "elf", "site"] as const;

export interface Description {
  /** For a shell. */
  readonly build?: string | undefined;
  /** A path from the folder. */
  readonly program?: string | undefined;
  readonly args?: readonly string[] | undefined;
  readonly cmdline?: string | undefined;
  readonly packages?: readonly string[] | undefined;
  /** What goes where in the image. */
  readonly files?: readonly (readonly [target: string, source: string])[] | undefined;
  /** Further files to write: by their paths from the folder. */
  readonly written?: readonly (readonly [path: string, text: string])[] | undefined;
  /** For meta/run.yaml; undefined where a project of meta/ has no runtime for it. */
  readonly runtime?: Runtime | undefined;
}

export interface Runtime {
  readonly name: "native" | "node" | "python" | "java";
  /** The key that says what is started, and its value. */
  readonly main: readonly [key: "bootcmd" | "main", value: string];
  readonly args?: readonly string[] | undefined;
}
