/** What the dynamic string tokens of ld.so(8) stand for. */
export interface Tokens {
  /** The folder of the object. */
  readonly ORIGIN: string;
  /** "lib/x86_64-linux-gnu", "lib64". */
  readonly LIB: string;
  /** "x86_64". */
  readonly PLATFORM: string;
}

/** Puts in $ORIGIN, $LIB and $PLATFORM, also as ${ORIGIN}; any other dollar stays as it is, as in ld.so (is_dst in elf/dl-load.c). */
export function expandTokens(text: string, tokens: Tokens): string {
  if (!text.includes("$")) return text;
  return text.replace(TOKEN, (_, braced, plain) => tokens[(braced ?? plain) as keyof Tokens]);
}

const TOKEN = /\$(?:\{(ORIGIN|LIB|PLATFORM)\}|(ORIGIN|LIB|PLATFORM)(?![A-Za-z0-9_]))/g;
