import { cpSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect } from "vitest";
import { lacksGuests } from "../support/guest.ts";
import { testUnless } from "../support/machine.ts";
import { repository, Sandbox, STACK } from "../support/sandbox.ts";

const lacking = lacksGuests();
const sandbox = new Sandbox();
afterAll(() => sandbox.remove());
// Where every test is skipped, nothing runs after them.
if (lacking !== undefined) sandbox.remove();

const readme = readFileSync(join(repository, "README.md"), "utf8");
const [, walkthrough = ""] = /<!-- walkthrough[^>]*-->\n(.*?)<!-- end of walkthrough -->/s.exec(readme) ?? [];
const blocks = [...walkthrough.matchAll(/^```(sh|text)\n(.*?)^```$/gms)].map(([, kind, text = ""]) => ({ kind, text }));

testUnless(lacking)("the walkthrough of README.md works as it is printed", async () => {
  const checkout = sandbox.path("checkout");
  mkdirSync(checkout);
  cpSync(join(repository, "examples"), join(checkout, "examples"), { recursive: true });
  const script = blocks.filter(({ kind }) => kind === "sh").map(({ text }) => text);
  expect(script.length).toBeGreaterThan(4);
  const { code, stdout, stderr } = await sandbox.shell(`set -e\n${script.join("")}`, { cwd: checkout });
  expect(stderr).not.toMatch(STACK);
  expect(stderr).not.toContain("Error:");
  expect(code).toBe(0);
  const shown = blocks.filter(({ kind }) => kind === "text");
  expect(shown.length).toBeGreaterThan(0);
  for (const { text } of shown) expect(stdout.replaceAll("\r", "")).toContain(text);
  expect(stdout).toContain("Hello, you!");
  expect(stdout).toContain("argument: [--loud]");
  expect(stdout).toMatch(/^greeter .*Greets/m);
  expect(stdout).toContain("PACKAGE CONTENT");
});
