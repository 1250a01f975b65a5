import type { LoadedObject } from "../../linker/closure.ts";
import type { Finding } from "../finding.ts";
import type { ImageInCheck, Started } from "../image.ts";
import { firstFew } from "../phrases.ts";

/** Whether the kernel can start the program at all: its machine, and how it is linked. */
export function* kernelLimitsRule(image: ImageInCheck): Generator<Finding> {
  for (const started of image.started) {
    const wrong = wrongMachine(image, started.closure.program);
    if (wrong !== undefined) yield wrong;
    else yield* limits(image, started);
  }
}

/** Where a program or library is for another processor than the kernel. */
export function wrongMachine(
  { kernel }: Pick<ImageInCheck, "kernel">,
  { path, elf }: LoadedObject,
): Finding | undefined {
  const bits = elf.machine === kernel.machine && elf.bits === 32 ? " of 32 bits" : "";
  if (elf.machine === kernel.machine && bits === "") return undefined;
  return {
    code: "wrong-machine",
    severity: "error",
    path,
    problem: `${path} is for ${elf.machine}${bits}, and ${kernel.title} is for ${kernel.machine}.`,
    advice: `Take one that is built for ${kernel.machine}, or a kernel for ${elf.machine}.`,
  };
}

function* limits({ kernel }: ImageInCheck, { path, mode, closure }: Started): Generator<Finding> {
  const { can } = kernel;
  const { elf } = closure.program;
  if (mode === "static") {
    if (!can.staticPrograms) {
      yield {
        code: "static-program",
        severity: "error",
        path,
        problem: `${path} is linked statically, and ${kernel.title} starts only dynamic programs.`,
        advice: "Link it dynamically (without -static), or compose with a newer OSv.",
      };
    } else if (elf.language === "go" && kernel.kind === "osv") {
      yield {
        code: "static-program",
        severity: "warning",
        path,
        problem: `${path} is a Go program that is linked statically, and those are known to stand still on OSv.`,
        advice: "Build it with -buildmode=pie, so that it can start through Linux's dynamic loader.",
      };
    }
    return;
  }
  if (mode === "linux") {
    if (can.linuxLoader === false) {
      yield {
        code: "linux-loader",
        severity: "error",
        path,
        problem: `${path} is started through Linux's dynamic loader, which ${kernel.title} cannot run.`,
        advice: "Start the program itself (--launch native), or compose with a newer OSv.",
      };
    }
    return;
  }
  if (elf.language === "go" && kernel.kind === "osv") {
    yield {
      code: "not-expected-to-run",
      severity: "error",
      path,
      problem: `${path} is a Go program, and those bring their own threads and thread-local storage, for which they need Linux's dynamic loader.`,
      advice: viaLinux(can.linuxLoader),
    };
  }
  if (elf.kind !== "shared-object" && can.tlsLimit !== undefined && elf.tlsSize > can.tlsLimit) {
    yield {
      code: "thread-local-storage",
      severity: "warning",
      path,
      problem: `${path} has ${elf.tlsSize} bytes of thread-local storage, and ${kernel.title} reserves ${can.tlsLimit}: it writes over the kernel's own, and crashes sooner or later.`,
      advice: viaLinux(can.linuxLoader, "link it with -shared instead of -pie"),
    };
  }
  for (const object of [closure.program, ...closure.libraries]) {
    const unknown = [...object.elf.relocationTypes()].filter((type) => can.relocations?.has(type) === false);
    if (unknown.length === 0) continue;
    yield {
      code: "relocations",
      severity: "error",
      path: object.path,
      problem: `${object.path} has relocations of the ${unknown.length === 1 ? "type" : "types"} ${firstFew(unknown.map(typeName))}, which ${kernel.title} does not know.`,
      advice: viaLinux(can.linuxLoader),
    };
  }
}

/** Those that old kernels lack, by their numbers in the psABIs; they do not overlap. */
const TYPE_NAMES: Readonly<Record<number, string>> = {
  36: "TLSDESC",
  37: "IRELATIVE",
  1031: "TLSDESC",
  1032: "IRELATIVE",
};

function typeName(type: number): string {
  return TYPE_NAMES[type] ?? String(type);
}

/** What to do about a limit of the kernel's own linker and C library. */
export function viaLinux(linuxLoader: ImageInCheck["kernel"]["can"]["linuxLoader"], otherwise?: string): string {
  return linuxLoader === "explicit"
    ? "Run it with --launch linux."
    : `Compose with an OSv newer than 0.57.0, and run it with --launch linux${otherwise === undefined ? "" : `; or ${otherwise}`}.`;
}
