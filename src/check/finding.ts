/** Something about an image or a program that will, or may, go wrong when it boots. */
export interface Finding {
  /** Stable, in kebab case: "missing-library". docs/reference lists them all. */
  readonly code: FindingCode;
  /** error: it will not start. warning: it probably misbehaves. note: worth knowing. */
  readonly severity: Severity;
  /** In the image, or on this machine for a program that is checked where it lies. */
  readonly path: string;
  /** One sentence: why. */
  readonly problem: string;
  /** One sentence: what to do. */
  readonly advice: string;
}

export type Severity = "error" | "warning" | "note";

/** What each finding means, in a line: for the reference. */
export const findingCodes = {
  "no-boot-command": "The image has no command that it would run.",
  "bad-boot-command": "OSv drops a part of the boot command, or of a script that it runs, because it cannot read it.",
  "missing-program": "The boot command names a program or a script that is not in the image.",
  "not-a-program": "The boot command names something that is no ELF program, such as a script or a directory.",
  "bad-elf": "An ELF file is damaged.",
  "wrong-machine": "A program or library is for another processor than the kernel.",
  "static-program":
    "The program is linked statically, and the kernel starts only dynamic ones, or none of its language.",
  "not-expected-to-run": "The program is known not to run on this kernel in the way in which it is started.",
  "linux-loader": "The program is started through Linux's dynamic loader, and the kernel cannot do that.",
  "missing-interpreter": "The dynamic loader that the program names is not in the image, and the kernel needs it.",
  "missing-library": "A library is not in the image, or not where the loader looks for it.",
  "thread-local-storage": "The program has more thread-local storage than the kernel reserves.",
  relocations: "The program or a library was linked in a way that the kernel's own linker does not know.",
  "missing-symbol": "Functions or variables that neither the image nor the kernel has.",
  "starts-processes": "The program calls functions that start other processes, which OSv cannot.",
  "unsupported-call": "The program calls functions that the kernel only pretends to have, or that are known to fail.",
  "set-uid": "A file has a set-user-ID or set-group-ID bit, which the image does not keep.",
  "mode-lost": "A file was private, and everybody can read it in the image.",
  "program-note": "Something to know of a program that was put together: such as modules that were not found.",
  "name-too-long": "A name is longer than the 255 bytes that OSv can look up.",
} as const satisfies Readonly<Record<string, string>>;

export type FindingCode = keyof typeof findingCodes;
