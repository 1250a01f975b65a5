/** Words as `env -S` splits them: quotes keep blanks together, a backslash keeps the next character. */
export function wordsOf(line: string): string[] {
  const words = line.match(/(?:[^\s"'\\]|\\.|"(?:[^"\\]|\\.)*"|'[^']*'|["'\\])+/g) ?? [];
  return words.map((word) =>
    word.replace(/\\(.)|"((?:[^"\\]|\\.)*)"|'([^']*)'/g, (_, escaped, double, single) => {
      return escaped ?? single ?? String(double).replace(/\\(.)/g, "$1");
    }),
  );
}
