import type { Context } from "../support/context.ts";

/** A place that packages and images are fetched from. */
export interface Remote {
  /** As in config.yaml; unique among the remotes. */
  readonly name: string;
  readonly kind: "github" | "s3" | "index";
  /** For messages: without credentials. */
  readonly address: string;
  /**
   * What it offers, each version and architecture apart, in its own order of preference (newest release first).
   * Errors: CapstanError `remote-…` that names the remote and the address.
   */
  packages(query: RemoteQuery, context: Context): Promise<readonly RemotePackage[]>;
  images(query: RemoteQuery, context: Context): Promise<readonly RemoteImage[]>;
}

export interface RemoteQuery {
  /** Only what has one of these names, exactly; all without it. Lets a remote ask less. */
  readonly names?: readonly string[] | undefined;
  /**
   * Older releases too, where there are some: for an older version than the newest. Without it a query for names ends at the
   * newest release that has them all; one without names always sees all releases.
   */
  readonly everyRelease?: boolean | undefined;
  /** Whether title, version, requirements and the like are wanted too, where they cost requests of their own. */
  readonly details: boolean;
  /** "x86_64" or "aarch64"; what says nothing of its architecture fits every one. */
  readonly arch: string;
}

interface RemoteItem {
  readonly name: string;
  /** The name of the remote. */
  readonly remote: string;
  /** The GitHub release that it is of. */
  readonly release: string | undefined;
  /** Undefined where it is not known without details. */
  readonly version: string | undefined;
  readonly arch: string | undefined;
  /** As it was written: see project/manifest.ts. */
  readonly created: string | undefined;
  readonly platform: string | undefined;
}

export interface RemotePackage extends RemoteItem {
  readonly title: string | undefined;
  /** As in a manifest's `require`. */
  readonly require: readonly string[];
  readonly manifest: RemoteFile;
  readonly archive: RemoteFile;
}

export interface RemoteImage extends RemoteItem {
  /** `[NS/]NAME`. */
  readonly name: string;
  readonly description: string | undefined;
  /** The disk image, qcow2 or raw. */
  readonly disk: RemoteFile;
  /** The kernel's ELF of the same build, for loaders. */
  readonly kernel: RemoteFile | undefined;
  /** index.yaml. */
  readonly index: RemoteFile | undefined;
}

/** Where the bytes of a file are. */
export interface RemoteFile {
  /** http:, https: or file:. */
  readonly url: string;
  /** In bytes, as it is transferred; undefined where nobody says. */
  readonly size: number | undefined;
  /** Of the bytes as they are transferred, in hexadecimal digits. */
  readonly sha256: string | undefined;
  /** To be unpacked after it has come: the name ended in `.gz`, and what is wanted does not. */
  readonly gzip: boolean;
  /** Headers of requests for it, such as an authorization; never sent to another host after a redirect. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
}
