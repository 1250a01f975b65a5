/** A command as one line that a POSIX shell reads back as these words. */
export function shellQuote(words: readonly string[]): string {
  return words.map(quote).join(" ");
}

function quote(word: string): string {
  if (/^[A-Za-z0-9_@%+=:,./-]+$/.test(word)) return word;
  return `'${word.replaceAll("'", "'\\''")}'`;
}
