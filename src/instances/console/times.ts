/**
 * `console.times`, a text file. Each segment of the log has a line `log IDENTITY BASE GRAIN` (BASE: what was said before
 * it, in bytes; GRAIN: how far apart its marks are, in ms), then one line `OFFSET TIME` a mark: what lies from OFFSET in
 * the segment was said at TIME (ms since 1970) or up to GRAIN ms later. The oldest segment comes first.
 */
export interface SegmentTimes {
  readonly identity: string;
  readonly base: number;
  readonly grain: number;
  readonly marks: readonly TimeMark[];
}

export interface TimeMark {
  readonly offset: number;
  readonly time: number;
}

export function formatTimes(segments: readonly SegmentTimes[]): string {
  return segments
    .map(({ identity, base, grain, marks }) => `log ${identity} ${base} ${grain}\n${marks.map(formatMark).join("")}`)
    .join("");
}

export function formatMark({ offset, time }: TimeMark): string {
  return `${offset} ${time}\n`;
}

/** Reads what can be read: a torn last line, and whatever is not of this form, is passed over. */
export function parseTimes(text: string): SegmentTimes[] {
  const segments: { identity: string; base: number; grain: number; marks: TimeMark[] }[] = [];
  for (const line of text.split("\n").slice(0, -1)) {
    const head = /^log (\d{1,20}-\d{1,20}) (\d{1,15}) (\d{1,15})$/.exec(line);
    if (head !== null) {
      segments.push({ identity: head[1] ?? "", base: Number(head[2]), grain: Number(head[3]), marks: [] });
      continue;
    }
    const mark = /^(\d{1,15}) (\d{1,15})$/.exec(line);
    const marks = segments.at(-1)?.marks;
    if (mark === null || marks === undefined) continue;
    const offset = Number(mark[1]);
    if (offset >= (marks.at(-1)?.offset ?? 0)) marks.push({ offset, time: Number(mark[2]) });
  }
  return segments;
}

/** Where in the segment that begins what was said at `time` or later; undefined when all of it is older. */
export function offsetAt({ marks, grain }: SegmentTimes, time: number): number | undefined {
  // The clock may have been set back: what counts is the last mark that is too old.
  const older = marks.findLastIndex((mark) => mark.time < time);
  const [before, after] = [marks[older], marks[older + 1]];
  // A mark speaks for what was said a moment later, too.
  if (before !== undefined && time < before.time + grain && after?.time !== time) return before.offset;
  return after?.offset;
}

/** When the byte at `offset` was said; undefined where that is not known. */
export function timeAt({ marks }: SegmentTimes, offset: number): number | undefined {
  let [low, high] = [0, marks.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((marks[middle]?.offset ?? 0) <= offset) low = middle + 1;
    else high = middle;
  }
  return marks[low - 1]?.time;
}
