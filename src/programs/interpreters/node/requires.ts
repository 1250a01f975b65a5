/** What a JavaScript file loads by fixed names: relative paths and names of packages. */
export function requiresOf(source: string): { readonly relative: readonly string[]; readonly bare: readonly string[] } {
  const names = new Set<string>();
  for (const [, required, imported] of source.matchAll(REQUIRE)) names.add(required ?? imported ?? "");
  const all = [...names].filter((name) => name !== "" && !name.startsWith("node:"));
  return {
    relative: all.filter((name) => /^\.{1,2}(\/|$)/.test(name)),
    bare: all.filter((name) => /^[@\w#]/.test(name) && !/^[a-z]+:/.test(name)),
  };
}

/** Groups: what require(), import() and require.resolve() are called with; what `import` and `export … from` name. */
const REQUIRE =
  /(?:\brequire(?:\.resolve)?|\bimport)\s*\(\s*["'`]([^"'`\n\\$]{1,1000})["'`]|(?:\bfrom|(?:^|;)[ \t]*import)\s*["']([^"'\n\\]{1,1000})["']/gm;
