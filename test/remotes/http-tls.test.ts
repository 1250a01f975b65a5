import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { buildHarness, runHarness } from "../support/download-harness.ts";
import { describeUnless, lacksProgram } from "../support/machine.ts";
import { Sandbox } from "../support/sandbox.ts";

describeUnless(lacksProgram("openssl"))("a server whose certificate nobody vouches for", () => {
  let sandbox: Sandbox;
  let server: Server;
  let harness: string;
  let url: string;
  const seen: string[] = [];

  beforeAll(async () => {
    sandbox = new Sandbox();
    harness = await buildHarness(sandbox);
    const [key, cert] = [sandbox.path("key.pem"), sandbox.path("cert.pem")];
    const names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"];
    const how = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
    execFileSync("openssl", [...how, "-keyout", key, "-out", cert, ...names], { stdio: "ignore" });
    server = createServer({ key: readFileSync(key), cert: readFileSync(cert) }, (request, response) => {
      seen.push(request.url ?? "");
      if (request.url === "/down") response.writeHead(302, { location: "http://127.0.0.1:1/" });
      response.end("text");
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    url = `https://localhost:${(server.address() as AddressInfo).port}`;
  });
  afterAll(() => {
    server.closeAllConnections();
    server.close();
    sandbox.remove();
  });

  const fetchIt = (path: string, env: Readonly<Record<string, string>> = {}) =>
    runHarness(harness, { fetch: true, request: { url: `${url}${path}`, what: "it" } }, env).done;

  test("is refused, whatever Node.js is told by the environment", async () => {
    for (const env of [{}, { NODE_TLS_REJECT_UNAUTHORIZED: "0", NODE_NO_WARNINGS: "1" }]) {
      expect(await fetchIt("/", env)).toMatchObject({
        code: "remote-unreachable",
        message: expect.stringContaining("certificate"),
      });
    }
    expect(seen).toEqual([]);
  });

  test("is taken where the user trusts it, and does not lead to a server without one", async () => {
    const env = { NODE_EXTRA_CA_CERTS: sandbox.path("cert.pem") };
    expect(await fetchIt("/", env)).toMatchObject({ result: "text" });
    expect(await fetchIt("/down", env)).toMatchObject({
      code: "remote-error",
      message: expect.stringContaining("is not protected"),
    });
  });
});
