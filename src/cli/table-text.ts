import { printable } from "./output.ts";

/** Rows under a header, in columns as wide as their widest cell; the last one is not padded. */
export function formatTable(header: readonly string[], rows: readonly (readonly string[])[]): string {
  return formatColumns([header, ...rows], columnWidths([header, ...rows]));
}

/** Rows in columns of at least the given widths. */
export function formatColumns(rows: readonly (readonly string[])[], widths: readonly number[]): string {
  return rows
    .map(
      (row) =>
        `${row
          .map((cell, index) => oneLine(cell).padEnd(widths[index] ?? 0))
          .join(" ")
          .trimEnd()}\n`,
    )
    .join("");
}

/** Titles and the like come from packages of others: none may break its row. */
function oneLine(cell: string): string {
  return printable(cell.replace(/[\t\n]+/g, " "));
}

export function columnWidths(rows: readonly (readonly string[])[]): number[] {
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((cell, index) => {
      widths[index] = Math.max(widths[index] ?? 0, oneLine(cell).length);
    });
  }
  return widths;
}

/** The widths of the original's tables of images and packages, which scripts may count on. */
const STORE_WIDTHS = [50, 50, 15, 20, 15];
const STORE_HEADER = ["Name", "Description", "Version", "Created", "Platform"];

export function formatStoreTable(rows: readonly (readonly string[])[]): string {
  return formatColumns([STORE_HEADER, ...rows], STORE_WIDTHS);
}

/** What remotes offer, in the same columns; behind a column of releases where anything is of one. */
export function formatFoundTable<Item extends { readonly release: string | undefined }>(
  items: readonly Item[],
  cells: (item: Item) => readonly string[],
): string {
  if (!items.some(({ release }) => release !== undefined)) return formatStoreTable(items.map(cells));
  const rows = items.map((item) => [item.release ?? "", ...cells(item)]);
  return formatColumns([["Release", ...STORE_HEADER], ...rows], [10, ...STORE_WIDTHS]);
}
