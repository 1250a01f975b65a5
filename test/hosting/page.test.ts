import { createHash } from "node:crypto";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, posix } from "node:path";
import { runInNewContext } from "node:vm";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { additionOf, addToRepository } from "../../src/hosting/add-to-repository.ts";
import { indexRepository } from "../../src/hosting/index-repository.ts";
import { escapeHtml, html, raw } from "../../src/hosting/page/html.ts";
import { FILTER_SCRIPT, STYLE } from "../../src/hosting/page/style.ts";
import { writePages } from "../../src/hosting/page/write-pages.ts";
import { failureOf, temporaryFolder, testContext, writeFiles } from "../packages/support.ts";
import { bootableDisk } from "../store/support.ts";
import { emptyRepository, makePackage } from "./support.ts";

const VOID = new Set(["meta", "input", "!doctype"]);

/** The elements in order, each with its attributes; fails where a tag is not closed, or closed where it is not open. */
function elements(page: string): readonly { readonly name: string; readonly attributes: string }[] {
  const open: string[] = [];
  const found: { name: string; attributes: string }[] = [];
  const content = page.replace(/<(style|script)>[\s\S]*?<\/\1>/g, "<$1></$1>");
  for (const [, close, name = "", attributes = ""] of content.matchAll(
    /<(\/?)([!a-z0-9]+)((?:\s+[a-z-]+(?:="[^"<>]*")?)*)>/g,
  )) {
    if (close === "/") expect(open.pop()).toBe(name);
    else {
      found.push({ name, attributes });
      if (!VOID.has(name)) open.push(name);
    }
  }
  expect(open).toEqual([]);
  // All that looks like markup was taken for it.
  expect(content.match(/</g)?.length).toBe(content.match(/<\/?[!a-z0-9]+(?:\s+[a-z-]+(?:="[^"<>]*")?)*>/g)?.length);
  return found;
}

function linksOf(page: string): readonly string[] {
  return elements(page).flatMap(({ attributes }) =>
    [...attributes.matchAll(/(?:href|src)="([^"]*)"/g)].map(([, link]) => link ?? ""),
  );
}

const HOSTILE = `</title><script>alert(1)</script>"'&<b>`;

async function repository() {
  const { dir, context } = emptyRepository();
  const folder = temporaryFolder();
  writeFiles(folder, { "disk.img": bootableDisk(), "disk.elf": "\x7fELF kernel" });
  const readme = `# Read\n\n${HOSTILE}\n`;
  const packages = [
    await makePackage("a+b", { version: "1.0" }),
    await makePackage("a+b", {
      version: "2.0",
      title: HOSTILE,
      require: ["lib", "gone"],
      files: { "meta/README.md": readme, [`etc/<i>${"&"}`]: "12345" },
    }),
    await makePackage("lib"),
  ];
  const image = {
    kind: "image",
    name: "mike/osv-loader",
    disk: join(folder, "disk.img"),
    kernel: join(folder, "disk.elf"),
    meta: { version: "1", description: HOSTILE },
  } as const;
  await addToRepository(dir, [...packages.map((file) => additionOf(file)), image], {}, context);
  return { dir, context };
}

describe("the pages", () => {
  test("tell of everything, without a script, and hold together", async () => {
    const { dir, context } = await repository();
    expect(await writePages(dir, { title: "Ours" }, context)).toEqual({ path: join(dir, "index.html"), pages: 3 });
    const page = readFileSync(join(dir, "index.html"), "utf8");
    for (const text of [
      "<h1>Ours</h1>",
      ">a+b</a>",
      "2.0",
      "and 1 older one",
      "lib, gone",
      "mike/osv-loader",
      "1 image",
    ]) {
      expect(page).toContain(text);
    }
    const detail = readFileSync(join(dir, "packages/a+b.html"), "utf8");
    for (const text of [
      "# Read",
      "/etc/&lt;i&gt;&amp;",
      "5 B",
      "capstan package pull a+b",
      '<a href="lib.html">lib</a>, ',
      "gone",
    ]) {
      expect(detail).toContain(text);
    }
    expect(detail).not.toContain('href="gone.html"');
  });

  test("take nothing for markup that is none, and run no script but their own", async () => {
    const { dir, context } = await repository();
    await writePages(dir, {}, context);
    for (const name of ["index.html", "packages/a+b.html", "packages/lib.html"]) {
      const page = readFileSync(join(dir, name), "utf8");
      const names = elements(page).map((element) => element.name);
      expect(names.filter((one) => one === "script")).toHaveLength(name === "index.html" ? 1 : 0);
      expect(names).not.toContain("b");
      expect(names).not.toContain("i");
      const policy = /http-equiv="Content-Security-Policy" content="([^"]*)"/.exec(page)?.[1] ?? "";
      const hash = (text: string) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`;
      expect(policy).toContain(`default-src 'none'; style-src ${hash(STYLE)}`);
      for (const [, script = ""] of page.matchAll(/<script>([\s\S]*?)<\/script>/g))
        expect(policy).toContain(`script-src ${hash(script)}`);
    }
  });

  test("lead only to what is there, and to nothing outside", async () => {
    const { dir, context } = await repository();
    await writePages(dir, {}, context);
    for (const name of ["index.html", "packages/a+b.html"]) {
      const links = linksOf(readFileSync(join(dir, name), "utf8")).filter((link) => !link.startsWith("#"));
      expect(links.length).toBeGreaterThan(2);
      for (const link of links) {
        expect(link).not.toMatch(/^[a-z]+:|^\//);
        expect(existsSync(join(dir, posix.join(dirname(name), decodeURIComponent(link))))).toBe(true);
      }
    }
  });

  test("can be read aloud and used by keyboard", async () => {
    const { dir, context } = await repository();
    await writePages(dir, {}, context);
    for (const name of ["index.html", "packages/a+b.html"]) {
      const page = readFileSync(join(dir, name), "utf8");
      const all = elements(page);
      const ids = all.flatMap(({ attributes }) => /\sid="([^"]*)"/.exec(attributes)?.[1] ?? []);
      expect(new Set(ids).size).toBe(ids.length);
      for (const [, id = ""] of page.matchAll(/(?:for|aria-labelledby|aria-describedby)="([^"]*)"/g))
        expect(ids).toContain(id);
      for (const [, id = ""] of page.matchAll(/href="#([^"]*)"/g)) expect(ids).toContain(id);
      expect(page).toMatch(/<html lang="en">/);
      expect(
        all
          .filter(({ name: one }) => one === "main" || one === "h1")
          .map(({ name: one }) => one)
          .sort(),
      ).toEqual(["h1", "main"]);
      const headings = all.filter(({ name: one }) => /^h[1-6]$/.test(one)).map(({ name: one }) => Number(one.slice(1)));
      for (const [index, level] of headings.entries())
        expect(level - (headings[index - 1] ?? 0)).toBeLessThanOrEqual(1);
      for (const { attributes } of all.filter(({ name: one }) => one === "th")) expect(attributes).toContain("scope=");
    }
  });

  test("are the same bytes again, and go with their packages; a page of somebody else stays", async () => {
    const { dir, context } = await repository();
    await writePages(dir, {}, context);
    const before = readFileSync(join(dir, "index.html"));
    await writePages(dir, {}, testContext(dir, { now: () => new Date(0) }));
    expect(readFileSync(join(dir, "index.html"))).toEqual(before);
    for (const suffix of ["mpm", "yaml"]) rmSync(join(dir, `packages/lib.${suffix}`));
    writeFileSync(join(dir, "packages/notes.html"), "mine");
    await indexRepository(dir, context);
    expect((await writePages(dir, {}, context)).pages).toBe(2);
    expect([existsSync(join(dir, "packages/lib.html")), existsSync(join(dir, "packages/notes.html"))]).toEqual([
      false,
      true,
    ]);
    writeFileSync(join(dir, "index.html"), "mine");
    expect((await failureOf(() => writePages(dir, {}, context))).code).toBe("page-in-the-way");
    expect(readFileSync(join(dir, "index.html"), "utf8")).toBe("mine");
  });

  test("come along with the index, under the title they have; where there are none, none are made", async () => {
    const { dir, context } = await repository();
    expect(existsSync(join(dir, "index.html"))).toBe(false);
    await writePages(dir, { title: HOSTILE }, context);
    const title = `<title>${escapeHtml(HOSTILE)}</title>`;
    await addToRepository(dir, [additionOf(await makePackage("later"))], {}, context);
    const page = readFileSync(join(dir, "index.html"), "utf8");
    expect(page).toContain('<a href="packages/later.html">');
    expect(page).toContain(title);
    expect(existsSync(join(dir, "packages/later.html"))).toBe(true);
    writeFileSync(join(dir, "index.html"), "mine");
    await addToRepository(dir, [additionOf(await makePackage("last"))], {}, context);
    expect(readFileSync(join(dir, "index.html"), "utf8")).toBe("mine");
  });

  test("of an empty repository, and of a package that cannot be read, are pages as well", async () => {
    const { dir, context } = emptyRepository();
    await indexRepository(dir, context);
    await writePages(dir, {}, context);
    expect(readFileSync(join(dir, "index.html"), "utf8")).toContain("There are none yet.");
    writeFiles(dir, { "packages/a.mpm": "garbage", "packages/a.yaml": "name: a\ntitle: A\nauthor: me\n" });
    await indexRepository(dir, context);
    await writePages(dir, {}, context);
    elements(readFileSync(join(dir, "packages/a.html"), "utf8"));
    expect(context.events.some(({ kind }) => kind === "warning")).toBe(true);
  });
});

test("whatever a text holds, it is no markup", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      const page = html`<p title="${text}">${text}</p>`.text;
      expect(page.match(/[<>]/g)).toHaveLength(4);
      expect(page.match(/"/g)).toHaveLength(2);
    }),
  );
  expect(escapeHtml("abc\u202egpj.\x1b[1m")).toBe("abc\ufffdgpj.\ufffd[1m");
  expect(html`${[html`<b>`, raw("<i>")]}${undefined}${5}`.text).toBe("<b>\n<i>5");
});

test("the filter hides rows that lack one of the words, and shows all again", () => {
  const rows = ["hello Says hello 1.0", "osv.libz Compression 2.0 hello"].map((textContent) => ({
    textContent,
    hidden: false,
  }));
  const listeners = new Map<string, (event: { key?: string }) => void>();
  const box = { value: "", addEventListener: (name: string, listener: () => void) => listeners.set(name, listener) };
  const byId: Record<string, unknown> = { filter: box, count: { textContent: "" }, search: { hidden: true } };
  runInNewContext(FILTER_SCRIPT, {
    document: { getElementById: (id: string) => byId[id], querySelectorAll: () => rows },
  });
  expect(byId.search).toEqual({ hidden: false });
  const type = (value: string) => {
    box.value = value;
    listeners.get("input")?.({});
    return [rows.map(({ hidden }) => hidden), (byId.count as { textContent: string }).textContent];
  };
  expect(type("HELLO")).toEqual([[false, false], "2 of 2 shown"]);
  expect(type("hello  2.0")).toEqual([[true, false], "1 of 2 shown"]);
  expect(type("nothing")).toEqual([[true, true], "0 of 2 shown"]);
  listeners.get("keydown")?.({ key: "Escape" });
  expect([box.value, rows.map(({ hidden }) => hidden)]).toEqual(["", [false, false]]);
});

test("colours can be told from their ground in both schemes", () => {
  for (const block of [/:root \{([^}]*)\}/.exec(STYLE)?.[1], /dark\) \{\s*:root \{([^}]*)\}/.exec(STYLE)?.[1]]) {
    const colours = Object.fromEntries(
      [...(block ?? "").matchAll(/--([a-z]+): #([0-9a-f]{3,6})/g)].map(([, name, value]) => [name, value]),
    );
    for (const ground of ["ground", "code"]) {
      for (const text of ["text", "soft", "link"])
        expect(contrast(colours[text] ?? "", colours[ground] ?? "")).toBeGreaterThan(4.5);
    }
  }
});

/** WCAG 2.2, "contrast ratio" and "relative luminance". */
function contrast(a: string, b: string): number {
  const luminance = (colour: string) => {
    const full = colour.length === 3 ? [...colour].map((digit) => digit + digit).join("") : colour;
    const parts = [0, 2, 4].map((at) => Number.parseInt(full.slice(at, at + 2), 16) / 255);
    const [red = 0, green = 0, blue = 0] = parts.map((part) =>
      part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4,
    );
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const [low = 0, high = 0] = [luminance(a), luminance(b)].sort((x, y) => x - y);
  return (high + 0.05) / (low + 0.05);
}
