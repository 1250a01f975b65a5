import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { additionOf, addToRepository } from "../../src/hosting/add-to-repository.ts";
import { writePages } from "../../src/hosting/page/write-pages.ts";
import { temporaryFolder, writeFiles } from "../packages/support.ts";
import { bootableDisk } from "../store/support.ts";
import { Chromium, findChromium, type Page } from "../support/chromium.ts";
import { describeUnless } from "../support/machine.ts";
import { emptyRepository, makePackage, served } from "./support.ts";

const program = findChromium();

describeUnless(program === undefined ? "chromium not installed" : undefined)("the pages in a real browser", () => {
  let browser: Chromium;
  beforeAll(() => {
    browser = new Chromium(program ?? "");
  });
  afterAll(() => browser.close());

  test("show everything without JavaScript, and no box that would do nothing", async () => {
    const page = await browser.open(await madePage(), (one) =>
      one.send("Emulation.setScriptExecutionDisabled", { value: true }),
    );
    expect(await visibleRows(page)).toEqual(["hello", "osv.libz", "osv-loader"]);
    expect(await isVisible(page, "#search")).toBe(false);
    expect(page.complaints).toEqual([]);
  });

  test("are searched by keyboard alone", async () => {
    const page = await browser.open(await madePage());
    await page.press("Tab");
    expect(await focused(page)).toBe("Skip to the content");
    await page.press("Enter");
    await page.press("Tab");
    expect(await focused(page)).toBe("filter");
    await page.type("compress");
    expect(await visibleRows(page)).toEqual(["osv.libz"]);
    expect(await page.evaluate("document.getElementById('count').textContent")).toBe("1 of 3 shown");
    await page.type("ed by nothing that is here");
    expect(await visibleRows(page)).toEqual([]);
    await page.press("Escape");
    expect(await visibleRows(page)).toEqual(["hello", "osv.libz", "osv-loader"]);
    expect(page.complaints).toEqual([]);
  });

  test("are the same when they are served, and lead to the page of a package", async () => {
    const { url } = await served(await makeSite());
    const page = await browser.open(url);
    expect(await visibleRows(page)).toEqual(["hello", "osv.libz", "osv-loader"]);
    const loaded = page.next("Page.loadEventFired");
    await page.evaluate("[...document.links].find((link) => link.textContent === 'hello').click()");
    await loaded;
    expect(await page.evaluate("document.title")).toBe("hello 2.0");
    expect(await page.evaluate("document.body.innerText")).toContain("How hello is used");
    // The text of a stranger is text.
    expect(await page.evaluate("typeof hostile")).toBe("undefined");
    expect(page.complaints).toEqual([]);
  });

  test.each([320, 400, 1200])("fit a window of %i pixels", async (width) => {
    const index = await madePage();
    for (const url of [index, index.replace("index.html", "packages/hello.html")]) {
      const page = await browser.open(url, (one) =>
        one.send("Emulation.setDeviceMetricsOverride", { width, height: 800, deviceScaleFactor: 1, mobile: false }),
      );
      expect(await page.evaluate("document.documentElement.scrollWidth")).toBeLessThanOrEqual(width);
    }
  });

  test("are light or dark as the reader has it", async () => {
    const brightness = async (scheme: string) => {
      const page = await browser.open(await madePage(), (one) =>
        one.send("Emulation.setEmulatedMedia", { features: [{ name: "prefers-color-scheme", value: scheme }] }),
      );
      const colour = (name: string) => page.evaluate<string>(`getComputedStyle(document.body).${name}`);
      return [await colour("backgroundColor"), await colour("color")].map(
        (text) => (text.match(/\d+/g) ?? []).slice(0, 3).reduce((sum, part) => sum + Number(part), 0) / 3,
      );
    };
    const [[lightGround = 0, lightText = 0], [darkGround = 0, darkText = 0]] = [
      await brightness("light"),
      await brightness("dark"),
    ];
    expect(lightGround - lightText).toBeGreaterThan(150);
    expect(darkText - darkGround).toBeGreaterThan(150);
  });

  test("tell a screen reader what each part is", async () => {
    const page = await browser.open(await madePage());
    const { nodes } = await page.send("Accessibility.getFullAXTree");
    const named = (nodes as readonly Node[]).map(({ role, name }) => `${role?.value}: ${name?.value}`);
    for (const part of [
      "search: ",
      "searchbox: Search by name, description or requirement",
      "region: Packages",
      "region: Images",
      "rowheader: hello",
      "columnheader: Version",
      "heading: How to use",
    ]) {
      expect(named).toContain(part);
    }
    expect(named.filter((one) => one.startsWith("main:"))).toHaveLength(1);
  });
});

interface Node {
  readonly role?: { readonly value: string };
  readonly name?: { readonly value: string };
}

async function madePage(): Promise<string> {
  return pathToFileURL(join(await makeSite(), "index.html")).href;
}

async function makeSite(): Promise<string> {
  const { dir, context } = emptyRepository();
  const folder = temporaryFolder();
  writeFiles(folder, { "disk.img": bootableDisk() });
  const script = "<script>globalThis.hostile = 1</script><img src=x onerror='globalThis.hostile = 1'>";
  const packages = [
    await makePackage("hello", { version: "1.0" }),
    await makePackage("hello", {
      version: "2.0",
      require: ["osv.libz>=1.2"],
      files: { "meta/README.md": `# How hello is used\n\n${script}\n`, [`long/${"name".repeat(40)}`]: "12345" },
    }),
    await makePackage("osv.libz", { version: "1.2.13", title: `Compression${script}` }),
  ];
  const image = { kind: "image", name: "osv-loader", disk: join(folder, "disk.img"), meta: { version: "1" } } as const;
  await addToRepository(dir, [...packages.map((file) => additionOf(file)), image], {}, context);
  await writePages(dir, { title: "Packages of a test" }, context);
  return dir;
}

/** The names of the rows that can be seen. */
async function visibleRows(page: Page): Promise<readonly string[]> {
  return await page.evaluate(
    "[...document.querySelectorAll('tbody tr')].filter((row) => row.checkVisibility()).map((row) => row.querySelector('th a').textContent)",
  );
}

async function isVisible(page: Page, selector: string): Promise<boolean> {
  return await page.evaluate(`document.querySelector(${JSON.stringify(selector)}).checkVisibility()`);
}

async function focused(page: Page): Promise<string> {
  return await page.evaluate("document.activeElement.id || document.activeElement.textContent");
}
