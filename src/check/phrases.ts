/** "a", "a and b", "a, b and c". */
export function listed(items: readonly string[], last = "and"): string {
  if (items.length < 2) return items[0] ?? "";
  return `${items.slice(0, -1).join(", ")} ${last} ${items.at(-1)}`;
}

/** The first few, and how many more there are: "a, b and 12 others". */
export function firstFew(items: readonly string[], most = 5): string {
  if (items.length <= most) return listed(items);
  const more = items.length - most;
  return `${items.slice(0, most).join(", ")} and ${more} ${more === 1 ? "other" : "others"}`;
}

/** For a sentence that goes on after a colon. */
export function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}
