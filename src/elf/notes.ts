import { KiB } from "../support/bytes.ts";
import type { ElfBytes } from "./bytes.ts";
import type { ElfFile } from "./elf-file.ts";
import type { ElfHeader } from "./headers.ts";
import {
  ELF_NOTE_OS_LINUX,
  NOTE_HEADER_SIZE,
  NT_GNU_ABI_TAG,
  NT_GNU_BUILD_ID,
  NT_GO_BUILD_ID,
  PT_NOTE,
  SHT_NOTE,
} from "./layout.ts";

export type NotesSay = Pick<ElfFile, "oldestKernel" | "buildId" | "language">;

/** Notes are small; what is behind that of one segment is not looked at. */
const MAX_NOTES = 64 * KiB;
const MAX_BUILD_ID = 64;
/** Of segments and of sections: a few. */
const MAX_PLACES = 16;

/** What the notes say. Nothing is loaded by them: what makes no sense in them ends the look at it, and is no error. */
export function readNotes(bytes: ElfBytes, header: Pick<ElfHeader, "segments" | "sections">): NotesSay {
  const found: { -readonly [K in keyof NotesSay]: NotesSay[K] } = {
    oldestKernel: undefined,
    buildId: undefined,
    language: undefined,
  };
  for (const { offset, size, alignment } of places(header)) {
    const length = Math.min(size, MAX_NOTES);
    if (offset + length > bytes.size) continue;
    const notes = bytes.bytes(offset, length, "its notes");
    for (const { owner, type, description } of parseNotes(bytes, notes, alignment)) {
      if (owner === "GNU" && type === NT_GNU_ABI_TAG) found.oldestKernel ??= abiTag(bytes, description);
      else if (owner === "GNU" && type === NT_GNU_BUILD_ID) {
        found.buildId ??= description.toString("hex", 0, MAX_BUILD_ID);
      } else if (owner === "Go" && type === NT_GO_BUILD_ID) found.language = "go";
    }
  }
  return found;
}

/** Go's linker leaves the GNU build id out of the segment. */
function places({ segments, sections }: Pick<ElfHeader, "segments" | "sections">) {
  const inSegments = segments.filter(({ type }) => type === PT_NOTE);
  const inSections = sections().filter(({ type }) => type === SHT_NOTE);
  return [
    ...inSegments
      .slice(0, MAX_PLACES)
      .map(({ offset, fileSize, alignment }) => ({ offset, size: fileSize, alignment })),
    ...inSections.slice(0, MAX_PLACES),
  ];
}

interface Note {
  readonly owner: string;
  readonly type: number;
  readonly description: Buffer;
}

/** Segments that are aligned to 8 have notes that are (.note.gnu.property); all others are aligned to 4. */
function* parseNotes(bytes: ElfBytes, notes: Buffer, alignment: number): Generator<Note> {
  const unit = alignment === 8 ? 8 : 4;
  const align = (offset: number) => Math.ceil(offset / unit) * unit;
  for (let at = 0; at + NOTE_HEADER_SIZE <= notes.length; ) {
    const name = at + NOTE_HEADER_SIZE;
    const description = align(name + bytes.u32(notes, at));
    const end = description + bytes.u32(notes, at + 4);
    if (end > notes.length) return;
    const owner = notes.toString("latin1", name, name + bytes.u32(notes, at)).replace(/\0.*$/s, "");
    yield { owner, type: bytes.u32(notes, at + 8), description: notes.subarray(description, end) };
    at = align(end);
  }
}

function abiTag(bytes: ElfBytes, description: Buffer): string | undefined {
  if (description.length < 16 || bytes.u32(description, 0) !== ELF_NOTE_OS_LINUX) return undefined;
  return [4, 8, 12].map((at) => bytes.u32(description, at)).join(".");
}
