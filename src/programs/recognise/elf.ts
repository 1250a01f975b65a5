import { readElfFile } from "../../elf/reader.ts";
import { openHostFile } from "../../filesystems/host-space.ts";
import { notRunnable } from "./refusal.ts";

/**
 * Throws `not-runnable` for an ELF file that is no program. Whether it runs on OSv is the check's to say.
 * Errors: CapstanError `bad-elf`.
 */
export function refuseElf(path: string, head: Buffer): void {
  const { kind, byteOrder, symbols } = readElfFile({ realPath: path, open: () => openHostFile(path) });
  const type = byteOrder === "big" ? head.readUInt16BE(TYPE) : head.readUInt16LE(TYPE);
  const refusal = REFUSALS.get(type);
  if (refusal !== undefined) throw notRunnable(path, refusal[0], refusal[1]);
  // OSv starts shared objects that have a main().
  if (kind !== "shared-object" || symbols().defined.some(({ name }) => name === "main")) return;
  throw notRunnable(
    path,
    "is a shared library, which has no main()",
    "Name a program that uses it; a library that is opened at run time goes in with --with.",
  );
}

/** ELF header: e_type, the first field behind e_ident. */
const TYPE = 16;

/** ET_REL, ET_CORE. */
const REFUSALS = new Map<number, readonly [string, string]>([
  [1, ["is an object file", "Link it into a program, and name that."]],
  [4, ["is the memory of a program that crashed", "Name the program itself."]],
]);
