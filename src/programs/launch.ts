import type { Kernel } from "../kernels/kernel.ts";
import type { Closure } from "../linker/closure.ts";
import { linuxDoubts, type NativeTroubles, nativeTroubles, staticDoubts } from "./launch-facts.ts";

export { type MissingSymbol, missingSymbols, missingSymbolsOnLinux } from "./missing-symbols.ts";

/**
 * How a program is started.
 * - native: OSv's own linker, on the C library in the kernel.
 * - linux: on the Linux dynamic loader and C library, which go into the image.
 * - static: the program brings all it needs.
 */
export type LaunchMode = "native" | "linux" | "static";

export interface Launch {
  readonly mode: LaunchMode;
  /** Whether it is the user's choice. */
  readonly chosen: "asked" | "automatic";
  /** One sentence: why this one. */
  readonly reason: string;
  /** Sentences: what speaks against it all the same, such as that the kernel cannot do it. */
  readonly doubts: readonly string[];
  /** Why the program is not expected to run this way, where nothing better can be had; one of the doubts, the first. */
  readonly hindrance?: string | undefined;
}

export interface LaunchRequest {
  readonly asked: LaunchMode | undefined;
  readonly kernel: Kernel;
  /** Of the program, by the rules of its own system, with its C library. */
  readonly closure: Closure;
  /** What is known of the program beyond its file, such as that Node.js trips over the kernel's /proc/self/maps; a reason. */
  readonly prefersLinux?: string | undefined;
}

/**
 * The launch that was asked for, or else the one that the program and the kernel allow: static for static programs; native
 * where nothing is known to stop that; the Linux loader where something is and the kernel can do it.
 */
export function chooseLaunch(request: LaunchRequest): Launch {
  const { asked } = request;
  const { mode, reason } = asked === undefined ? automatic(request) : { mode: asked, reason: "It was asked for." };
  const { stops, notes } = doubtsOf(mode, request);
  return {
    mode,
    chosen: asked === undefined ? "automatic" : "asked",
    reason,
    doubts: [...stops, ...notes].filter((doubt) => doubt !== reason),
    hindrance: stops[0],
  };
}

function automatic(request: LaunchRequest): Pick<Launch, "mode" | "reason"> {
  const { kernel, closure } = request;
  if (isStatic(closure)) return { mode: "static", reason: "The program is linked statically and brings all it needs." };
  if (!kernel.can.native) {
    return {
      mode: "linux",
      reason: `Programs run on the C library of their own system: ${kernel.title} has none.`,
    };
  }
  const [trouble] = nativeTroubles(request).stops;
  if (trouble === undefined) {
    return {
      mode: "native",
      reason: "It runs on OSv's own linker and C library: nothing in the program is known to ask for more.",
    };
  }
  if (linuxDoubts(request).length === 0) return { mode: "linux", reason: trouble };
  return { mode: "native", reason: "It runs on OSv's own linker and C library, since the Linux loader cannot be had." };
}

function doubtsOf(mode: LaunchMode, request: LaunchRequest): NativeTroubles {
  if (mode === "static") return { stops: staticDoubts(request), notes: [] };
  if (isStatic(request.closure))
    return { stops: ["The program is linked statically: no linker is needed for it."], notes: [] };
  if (mode === "linux") return { stops: linuxDoubts(request), notes: [] };
  const { stops, notes } = nativeTroubles(request);
  const instead = stops.length > 0 && !request.kernel.can.linuxLoader ? linuxDoubts(request) : [];
  return { stops: [...stops, ...instead], notes };
}

function isStatic({ program }: Closure): boolean {
  return program.elf.kind === "static" || program.elf.kind === "static-pie";
}
