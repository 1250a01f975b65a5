import { expect, test } from "vitest";

import { expandTokens } from "../../src/linker/tokens.ts";

const tokens = { ORIGIN: "/opt/app", LIB: "lib64", PLATFORM: "x86_64" };

test.each([
  ["/usr/lib", "/usr/lib"],
  ["$ORIGIN", "/opt/app"],
  ["$ORIGIN/../lib", "/opt/app/../lib"],
  [`\${ORIGIN}/x/\${LIB}`, "/opt/app/x/lib64"],
  ["/usr/$LIB/$PLATFORM", "/usr/lib64/x86_64"],
  ["$ORIGIN$ORIGIN", "/opt/app/opt/app"],
  ["$ORIGIN-1", "/opt/app-1"],
  ["$ORIGINAL", "$ORIGINAL"],
  ["$ORIGIN_X", "$ORIGIN_X"],
  [`\${ORIGIN`, `\${ORIGIN`],
  [`\${ORIGINS}`, `\${ORIGINS}`],
  ["$OTHER/$", "$OTHER/$"],
])("%s is %s", (text, expected) => {
  expect(expandTokens(text, tokens)).toBe(expected);
});

test("what is put in is not looked at again", () => {
  expect(expandTokens("$ORIGIN/x", { ...tokens, ORIGIN: "/$LIB/$&" })).toBe("/$LIB/$&/x");
});
