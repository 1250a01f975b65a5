import type { ContentStream, FileEntry } from "../filetree.ts";

export interface ListedFile {
  readonly path: string;
  readonly entry: FileEntry;
}

/**
 * Files in groups, each of which can be written one file after the other while its streams pass by once. Files that are
 * parts of the same bytes of a stream, as hard links of an archive are, come in different groups.
 */
export function nonOverlappingRounds(files: readonly ListedFile[]): ListedFile[][] {
  const rounds: ListedFile[][] = [];
  let left = files;
  while (left.length > 0) {
    const { round, later } = splitOff(left);
    rounds.push(round);
    left = later;
  }
  return rounds;
}

function splitOff(files: readonly ListedFile[]): { round: ListedFile[]; later: ListedFile[] } {
  const later = new Set<ListedFile>();
  const ends = new Map<ContentStream, number>();
  for (const file of files.filter(isExtent).sort((a, b) => offsetOf(a) - offsetOf(b))) {
    const { content, size } = file.entry;
    if (content.kind !== "extent") continue;
    const isFree = content.offset >= (ends.get(content.stream) ?? 0);
    if (isFree) ends.set(content.stream, content.offset + size);
    else later.add(file);
  }
  return { round: files.filter((file) => !later.has(file)), later: files.filter((file) => later.has(file)) };
}

function isExtent({ entry }: ListedFile): boolean {
  return entry.content.kind === "extent" && entry.size > 0;
}

function offsetOf({ entry }: ListedFile): number {
  return entry.content.kind === "extent" ? entry.content.offset : 0;
}
