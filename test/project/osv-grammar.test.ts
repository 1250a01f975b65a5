import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { readCommands, readLoaderOptions, writeLoaderOption, writeWord } from "../../src/project/osv-grammar.ts";

/**
 * What OSv's own parser answers (core/commands.cc and stresep.c of head, compiled for the host): a line, its loader
 * options, and the words of each command with its terminator last; null: "Failed to parse command line.".
 */
const ANSWERS: readonly (readonly [string, readonly string[], readonly (readonly string[])[] | null])[] = [
  [
    "--env=AA=aa --env=BB=bb1\\ bb2 app.so arg1 arg2",
    ["--env=AA=aa", "--env=BB=bb1 bb2"],
    [["app.so", "arg1", "arg2", ""]],
  ],
  ['--env=A="a b" /x', ['--env=A="a'], [['b"', "/x", ""]]],
  ["  --a\\\\b\t--c\\\td\\\\e  -f /x y", ["--a\\b", "--c\td\\e", "-f"], [["/x", "y", ""]]],
  ["--env=A=\\$HOME\\n /x", ["--env=A=$HOMEn"], [["/x", ""]]],
  ["--only-options", ["--only-options"], []],
  ['"--x" a', [], [["--x", "a", ""]]],
  ["/x --not=an-option", [], [["/x", "--not=an-option", ""]]],
  ['/x "two words" "" "q\\"uote" \'single quoted\'', [], [["/x", "two words", "", 'q"uote', "'single", "quoted'", ""]]],
  ['/x a"b c"', [], [["/x", 'a"b', 'c"', ""]]],
  ['/x "a"b', [], [["/x", "a", "b", ""]]],
  ['/x "a""b"', [], [["/x", "a", "b", ""]]],
  [
    "/x a\\ b a\\;b \\$HOME",
    [],
    [
      ["/x", "a\\", "b", "a\\", ";"],
      ["b", "\\$HOME", ""],
    ],
  ],
  [
    '/x "a;b&c!d";/y&/z&!/w!/v',
    [],
    [
      ["/x", "a;b&c!d", ";"],
      ["/y", "&"],
      ["/z", "&!"],
      ["/w", "!"],
      ["/v", ""],
    ],
  ],
  ["a;;b", [], [["a", ";"]]],
  ["a; ;b", [], [["a", ";"]]],
  ["a;", [], [["a", ";"]]],
  [";;", [], []],
  [";a", [], null],
  [
    "a &! b",
    [],
    [
      ["a", "&!"],
      ["b", ""],
    ],
  ],
  ["a & ! b", [], [["a", "&"]]],
  ["/x é y", [], null],
  ['/x "é"', [], null],
  ["a;/x é;b", [], [["a", ";"]]],
  ['"unclosed word', [], [['unclosed word"unclosed', "word", ""]]],
  ['/x "unclosed word', [], [["/x", 'unclosed word"unclosed', "word", ""]]],
  ['/x "unclosed é word', [], null],
  ["runscript /run/default;", [], [["runscript", "/run/default", ";"]]],
  ["/x \\a\\b\\f\\v\\r\\t\\q\\\\", [], [["/x", "\u0007\b\f\u000b\r\t\\q\\", ""]]],
  ["/x 'it''s' #no comment", [], [["/x", "'it''s'", "#no", "comment", ""]]],
  ["/x -a --b=c", [], [["/x", "-a", "--b=c", ""]]],
  ["/x tab\tinside  \tafter", [], [["/x", "tab\tinside", "after", ""]]],
  ["/x a\nb", [], [["/x", "a\nb", ""]]],
  ["/x\n/y", [], [["/x\n/y", ""]]],
  ["/x \n /y", [], [["/x", "/y", ""]]],
  [
    "a&b!c",
    [],
    [
      ["a", "&"],
      ["b", "!"],
      ["c", ""],
    ],
  ],
  ["--env=A=1\n--env=B=2 /x", ["--env=A=1", "--env=B=2"], [["/x", ""]]],
  ["--a\\", ["--a"], []],
  ['/x "a\nb\t"', [], [["/x", "a\nb\t", ""]]],
  ["/x a\\", [], [["/x", "a\\", ""]]],
  ["", [], []],
  ["   ", [], []],
];

describe("reading", () => {
  test.each(ANSWERS)("%j is read as OSv reads it", (line, options, commands) => {
    const found = readLoaderOptions(line);
    const read = readCommands(line, found.end);
    expect(found.options.map(({ text }) => text)).toEqual(options);
    expect(read.commands.map(({ words, terminator }) => [...words.map(({ text }) => text), terminator])).toEqual(
      commands ?? [],
    );
    if (commands === null) expect(read.end).toBe(found.end);
  });

  test("what cannot be read on is left over, blanks and empty commands are not", () => {
    expect(readCommands("a;;b").end).toBe(2);
    expect(readCommands("a; \u00e9").end).toBe(2);
    expect(readCommands("a;; ;").end).toBe(5);
    expect(readCommands(" ; ").end).toBe(3);
  });

  test("words know where they are written", () => {
    const line = ' /x "a b" c;"d"';
    const words = readCommands(line).commands.flatMap((command) => command.words);
    expect(words.map(({ start, end, quoted }) => [line.slice(start, end), quoted])).toEqual([
      ["/x", false],
      ['"a b"', true],
      ["c", false],
      ['"d"', true],
    ]);
  });
});

describe("writing", () => {
  const ascii = fc.string({ unit: fc.integer({ min: 1, max: 0x7f }).map((code) => String.fromCharCode(code)) });

  test("any 7-bit word without NUL is read back, among any others", () => {
    fc.assert(
      fc.property(fc.array(ascii, { minLength: 1 }), (words) => {
        const { commands, end } = readCommands(words.map(writeWord).join(" "));
        expect(commands).toHaveLength(1);
        expect(commands[0]?.words.map(({ text }) => text)).toEqual(words);
        expect(end).toBe(words.map(writeWord).join(" ").length);
      }),
    );
  });

  test("any loader option without NUL is read back, and what follows it stays", () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: "binary" }), { minLength: 1 }), (values) => {
        const options = values.map((value) => `--env=A=${value.replaceAll("\0", "")}`);
        const line = `${options.map(writeLoaderOption).join(" ")} /x y`;
        const read = readLoaderOptions(line);
        expect(read.options.map(({ text }) => text)).toEqual(options);
        expect(line.slice(read.end)).toBe(" /x y");
      }),
    );
  });

  test.each([
    ["/usr/bin/app", "/usr/bin/app"],
    ["--port=80", "--port=80"],
    ["$HOME", "$HOME"],
    ["", '""'],
    ["a b", '"a b"'],
    ["a;b", '"a;b"'],
    ['say "x"', '"say \\"x\\""'],
    ["it's", '"it\'s"'],
    ["C:\\n", '"C:\\\\n"'],
    ["a\nb\t", '"a\\nb\\t"'],
  ])("%j is written %s", (word, written) => {
    expect(writeWord(word)).toBe(written);
  });
});
