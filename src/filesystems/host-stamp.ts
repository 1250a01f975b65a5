import type { Content } from "./filetree.ts";

/** What the host told of a file when it was looked at: a file that was written to since then has another change time. */
export interface HostStamp {
  readonly ino: number;
  /** Milliseconds since 1970, with fractions. No program can set the change time back. */
  readonly mtimeMs: number;
  readonly ctimeMs: number;
}

/** Notes with a content what the host told of its file. */
export function stamped<T extends Content>(content: T, { ino, mtimeMs, ctimeMs }: HostStamp): T {
  stamps.set(content, { ino, mtimeMs, ctimeMs });
  return content;
}

/** Undefined where nobody noted it. */
export function stampOf(content: Content): HostStamp | undefined {
  return stamps.get(content);
}

/** Beside the content: where its bytes lie does not depend on it. */
const stamps = new WeakMap<Content, HostStamp>();
