import { cpSync, existsSync, mkdirSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { repository, Sandbox, STACK } from "../support/sandbox.ts";

const sandbox = new Sandbox();
afterAll(() => sandbox.remove());

const page = readFileSync(join(repository, "docs", "repositories.md"), "utf8");
const [, walkthrough = ""] = /<!-- walkthrough[^>]*-->\n(.*?)<!-- end of walkthrough -->/s.exec(page) ?? [];
const lines = [...walkthrough.matchAll(/^```sh\n(.*?)^```$/gms)].map(([, text = ""]) => text);

describe("docs/repositories.md", () => {
  test("its walkthrough works as it is printed", async () => {
    expect(lines.length).toBeGreaterThan(5);
    const checkout = sandbox.path("checkout");
    mkdirSync(checkout);
    cpSync(join(repository, "examples"), join(checkout, "examples"), { recursive: true });
    const port = await freePort();
    const script = lines.join("").replaceAll("8080", String(port));
    expect(script.match(new RegExp(`\\b${port}\\b`, "g"))).toHaveLength(2);
    // A person takes longer to type the next line than the server to start.
    const typed = script.replace(/^(capstan repo serve .*) &$/m, `$1 & server=$!\n${waitFor(port)}`);
    expect(typed).toContain("server=$!");
    const env = { CAPSTAN_OFFLINE: "", NO_PROXY: "127.0.0.1" };
    const { code, stdout, stderr } = await sandbox.shell(`set -e\ntrap 'kill $server' EXIT\n${typed}`, {
      cwd: checkout,
      env,
    });
    expect(stderr).not.toMatch(STACK);
    expect(stderr).not.toContain("Error:");
    expect(code).toBe(0);
    expect(stdout.match(/^greeter +Greets +1\.0\b/gm)).toHaveLength(2);
    expect(stdout).toMatch(/^greeter +1\.0 +1\.1 +team$/m);
    expect(stdout).toContain("Updated 1 packages (out of 1 that were found locally)");
    expect(stdout).toMatch(/^ed25519:[A-Za-z0-9+/]{43}=$/m);
    expect(stdout).toContain("2 packages and 0 images: 0 errors, 0 warnings");
    expect(stderr).toContain("Pulled greeter 1.0");
    expect(await sandbox.ok(["package", "list"])).toMatch(/^greeter +Greets +1\.0\b/m);
    for (const file of ["index.json", "index.html", "packages/greeter.html", "packages/greeter@1.0.mpm"])
      expect(existsSync(join(checkout, "site", file))).toBe(true);
  });

  test("its table of index.json has all keys of an index, and no other", async () => {
    const [, table = ""] = /## index\.json\n(.*)$/s.exec(page) ?? [];
    const told = [...table.matchAll(/^\| (`.*?) +\|/gm)].flatMap(([, cell = ""]) => cell.match(/[a-z0-9]+/g) ?? []);
    const source = readFileSync(join(repository, "src", "remotes", "index", "schema.ts"), "utf8");
    const [, example = ""] = /^(.*?)\n \*\n \* Addresses/s.exec(source) ?? [];
    const keys = new Set([...example.matchAll(/"([a-z0-9]+)":/g)].map(([, key]) => key));
    expect(keys.size).toBeGreaterThan(10);
    expect(new Set(told)).toEqual(keys);
  });

  test("its example of config.yaml is one", async () => {
    const [, yaml = ""] = /^```yaml\n(# .*?)^```$/ms.exec(page) ?? [];
    sandbox.write({ "store/config.yaml": yaml });
    const listed = await sandbox.json<readonly { readonly name: string; readonly kind: string }[]>(["remote", "list"]);
    expect(listed.map(({ name, kind }) => `${name} ${kind}`)).toEqual(["team index", "osv github", "old s3"]);
  });
});

/** Bash's own way to ask whether somebody listens. */
function waitFor(port: number): string {
  return `for _ in $(seq 200); do (exec 3<>/dev/tcp/127.0.0.1/${port}) 2> /dev/null && break; sleep 0.05; done\n`;
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0));
    });
  });
}
