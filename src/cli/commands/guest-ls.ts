import { type GuestFile, listGuestFiles } from "../../instances/guest/info.ts";
import type { Answer, CommandContext } from "../answer.ts";
import { withGuest } from "../guest.ts";
import type { Input } from "../input.ts";
import { formatTable } from "../table-text.ts";

export async function run(input: Input, context: CommandContext): Promise<Answer> {
  const path = input.arg("path") ?? "/";
  const value = await withGuest(input, context, async (rest) => await listGuestFiles(rest, path));
  return { value, text: () => formatTable(["Mode", "Size", "Modified", "Name"], value.map(toRow)) };
}

function toRow({ type, mode, size, mtime, name, target }: GuestFile): string[] {
  const letter = { directory: "d", symlink: "l", file: "-" }[type];
  const time = mtime === 0 ? "-" : new Date(mtime * 1000).toISOString().slice(0, 16).replace("T", " ");
  const shown = type === "directory" ? `${name}/` : type === "symlink" ? `${name} -> ${target}` : name;
  return [`${letter}${permissions(mode)}`, String(size), time, shown];
}

function permissions(mode: number): string {
  return [6, 3, 0]
    .map((shift) => {
      const bits = (mode >> shift) & 7;
      return `${bits & 4 ? "r" : "-"}${bits & 2 ? "w" : "-"}${bits & 1 ? "x" : "-"}`;
    })
    .join("");
}
