// The part `remotes` of `npm run bench`: listing and fetching, from `capstan repo serve` on loopback.
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer, request } from "node:http";
import { join } from "node:path";
import { findProgram } from "../scripts/setup.mjs";

/**
 * Figures of 1,000 packages in each kind of remote, and of one package of 200 MB against curl.
 * `bench` has what run.mjs measures with: work, store, cli, env, quick, add, interleaved, median, timed, must.
 */
export async function benchRemotes(bench) {
  const site = join(bench.work, "site");
  const count = bench.quick ? 100 : 1000;
  makeSite(bench, site, count);
  const serving = await serve(bench, site);
  const counting = await countingProxy(serving.url);
  try {
    await searchEach(bench, { serving, counting, count });
    if (findProgram("curl") === undefined) console.log("pull: left out, as curl is not installed");
    else await pullLarge(bench, { serving, counting });
  } finally {
    counting.close();
    await serving.close();
    for (const name of ["site", "large", "out"]) rmSync(join(bench.work, name), { recursive: true, force: true });
    rmSync(bench.store, { recursive: true, force: true });
  }
}

const LARGE = "bench.large";

/** Small packages, and a large one of bytes that do not pack. */
function makeSite(bench, site, count) {
  const build = (name, write) => {
    const folder = join(bench.work, "large");
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(join(folder, "meta"), { recursive: true });
    writeFileSync(join(folder, "meta", "package.yaml"), manifest(name));
    write(folder);
    bench.must(process.execPath, [bench.cli, "package", "build", folder, "-q"]);
    return join(folder, `${name}.mpm`);
  };
  const size = bench.quick ? 20 : 200;
  mkdirSync(bench.store, { recursive: true });
  bench.must(process.execPath, [bench.cli, "repo", "init", site, "-q"]);
  const large = build(LARGE, (folder) => {
    const made = spawnSync("sh", ["-c", 'head -c "$1" /dev/urandom > "$2"', "sh", size * 1e6, join(folder, "bytes")]);
    if (made.status !== 0) throw new Error("the large file could not be made");
  });
  bench.must(process.execPath, [bench.cli, "repo", "add", site, large, "-q"]);
  const small = build("small", (folder) => writeFileSync(join(folder, "file"), "small\n"));
  for (let index = 0; index < count; index++) {
    const name = `bench.package-${index}`;
    const made = spawnSync("cp", [small, join(site, "packages", `${name}.mpm`)]);
    if (made.status !== 0) throw new Error("a package could not be copied");
    writeFileSync(join(site, "packages", `${name}.yaml`), manifest(name));
  }
  bench.must(process.execPath, [bench.cli, "repo", "index", site, "-q"]);
}

function manifest(name) {
  return `name: ${name}\ntitle: A package to measure with\nauthor: bench\nversion: "1.0"\ncreated: 2026-01-01 00:00\n`;
}

/** With nothing known before, and again: how long, and how many requests. */
async function searchEach(bench, { serving, counting, count }) {
  for (const kind of ["index", "s3", "github"]) {
    const search = () =>
      bench.timed(process.execPath, [bench.cli, "package", "search", "--remote", "bench", "-q"], bench.work);
    const forget = () => rmSync(join(bench.store, "cache"), { recursive: true, force: true });
    configure(bench, kind, serving.url);
    const searchAnew = () => {
      forget();
      return search();
    };
    const first = await bench.median(searchAnew, bench.quick ? 1 : 3);
    const again = await bench.median(search, bench.quick ? 1 : 3);
    configure(bench, kind, counting.url);
    forget();
    const requests = [];
    for (let round = 0; round < 2; round++) {
      counting.reset();
      await search();
      requests.push(counting.requests());
    }
    bench.add(
      `search: ${count} packages, ${kind}`,
      `${again.seconds.toFixed(2)} s`,
      "",
      `first ${first.seconds.toFixed(2)} s, ${requests[0]} requests; again ${requests[1]} requests; ${Math.round(Math.max(first.peakMiB, again.peakMiB))} MiB`,
    );
  }
}

/** The least that Node can do: a socket into a file, hashed and brought to the disk; what an answer is, is not looked at. */
const BARE = `
const { connect } = require("node:net"), fs = require("node:fs");
const [url, out] = process.argv.slice(1).map((text, at) => (at === 0 ? new URL(text) : text));
const file = fs.openSync(out, "w"), hash = require("node:crypto").createHash("sha256");
const take = (length, bytes) => (fs.writeSync(file, bytes, 0, length), hash.update(bytes.subarray(0, length)), true);
const onread = { buffer: Buffer.allocUnsafeSlow(1 << 18), callback: take };
const socket = connect({ port: url.port, host: url.hostname, onread });
socket.write("GET " + url.pathname + " HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n");
socket.on("close", () => (fs.fdatasyncSync(file), hash.digest()));
`;

async function pullLarge(bench, { serving, counting }) {
  const url = `${serving.url}packages/${LARGE}.mpm`;
  const out = join(bench.work, "out");
  const curl = (line) => () => {
    rmSync(out, { force: true });
    return bench.timed("sh", ["-c", line, "sh", url, out]);
  };
  configure(bench, "index", serving.url);
  const pull = [bench.cli, "package", "pull", LARGE, "--remote", "bench", "-q"];
  const forget = () => {
    for (const name of ["packages", "origins", "cache"])
      rmSync(join(bench.store, name), { recursive: true, force: true });
  };
  const ours = () => {
    forget();
    return bench.timed(process.execPath, pull);
  };
  await ours();
  const results = await bench.interleaved({
    bare: () => {
      rmSync(out, { force: true });
      return bench.timed(process.execPath, ["-e", BARE, url, out]);
    },
    curl: curl('curl -sSf -o "$2" "$1"'),
    hashed: curl('curl -sSf -o "$2" "$1" && sync "$2" && sha256sum "$2"'),
    checked: curl('curl -sSf -o "$2" "$1" && sync "$2" && sha256sum "$2" && gunzip < "$2" | cat > /dev/null'),
    ours,
  });
  const size = statSync(out).size;
  const row = (what, peer, aim) =>
    bench.add(
      `pull: ${Math.round(size / 1e6)} MB, over ${what}`,
      (results.ours.seconds / peer.seconds).toFixed(2),
      aim,
      `${results.ours.seconds.toFixed(2)} s and ${peer.seconds.toFixed(2)} s`,
    );
  row("curl", results.curl, "1.1");
  row("bare Node: socket, file, hash, sync", results.bare, "");
  row("curl, sync, sha256sum", results.hashed, "");
  // A pull reads the archive as well: what is no package does not come into the store.
  row("the same and gunzip", results.checked, "");
  bench.add("pull: peak memory", `${Math.round(results.ours.peakMiB)} MiB`, "100 MiB", "");
  await resume(bench, { pull, forget, size, counting });
}

/** The connection is cut at a half; then the process is killed at a half and started again. What is sent beyond the file is waste. */
async function resume(bench, { pull, forget, size, counting }) {
  configure(bench, "index", counting.url);
  forget();
  counting.reset({ cutAt: size / 2 });
  await bench.timed(process.execPath, pull);
  const cut = counting.sent();
  forget();
  let child;
  counting.reset({ holdAt: size / 2, onHold: () => setTimeout(() => child.kill("SIGKILL"), 500) });
  child = spawn(process.execPath, pull, { cwd: bench.work, env: bench.env, stdio: "ignore" });
  await new Promise((resolve) => child.on("exit", resolve));
  const downloads = join(bench.store, "cache", "downloads");
  const part = readdirSync(downloads).find((name) => name.endsWith(".part"));
  const kept = part === undefined ? 0 : statSync(join(downloads, part)).size;
  counting.reset();
  await bench.timed(process.execPath, pull);
  const row = (what, sent, missing) =>
    bench.add(`resume: after ${what}, bytes over those missing`, (sent / missing).toFixed(3), "1", `${sent}`);
  row("a cut", cut, size);
  row("a kill", counting.sent(), size - kept);
}

function configure(bench, kind, url) {
  const keys = kind === "github" ? `repository: bench/packages\n    api_url: ${url}` : `url: ${url}`;
  mkdirSync(bench.store, { recursive: true });
  writeFileSync(join(bench.store, "config.yaml"), `remotes:\n  bench:\n    type: ${kind}\n    ${keys}\n`);
}

/** `capstan repo serve` on a port of its own. */
async function serve({ cli, env, work }, site) {
  const child = spawn(process.execPath, [cli, "repo", "serve", site, "--port", "0"], { cwd: work, env });
  const ended = new Promise((resolve) => child.on("exit", resolve));
  const url = await new Promise((resolve, reject) => {
    let text = "";
    child.stderr.on("data", (chunk) => {
      text += chunk;
      const found = /http:\/\/\S+/.exec(text);
      if (found !== null) resolve(found[0]);
    });
    child.on("exit", () => reject(new Error(`repo serve ended: ${text}`)));
  });
  process.on("exit", () => child.kill());
  return {
    url,
    close: () => {
      child.kill("SIGINT");
      return ended;
    },
  };
}

/** Stands before a server: counts, and on request cuts the connection or holds still, once, at a number of bytes of a body. */
async function countingProxy(target) {
  let state;
  const reset = (plan = {}) => {
    state = { requests: 0, packages: 0, plan };
  };
  reset();
  const server = createServer((asked, answer) => {
    state.requests++;
    const { method, headers } = asked;
    const forwarded = request(new URL(asked.url, target), { method, headers }, (came) => {
      answer.writeHead(came.statusCode, came.headers);
      if (!asked.url.endsWith(`${LARGE}.mpm`)) return void came.pipe(answer);
      came.on("data", (chunk) => {
        const { plan } = state;
        state.packages += chunk.length;
        answer.write(chunk);
        if (state.packages >= plan.cutAt) {
          state.plan = {};
          // What was counted still arrives.
          answer.socket.end();
          came.destroy();
        } else if (state.packages >= plan.holdAt) {
          state.plan = {};
          came.pause();
          plan.onHold();
        } else if (answer.writableNeedDrain) {
          came.pause();
          answer.once("drain", () => came.resume());
        }
      });
      came.on("end", () => answer.end());
      answer.on("close", () => came.destroy());
    });
    forwarded.on("error", () => answer.destroy());
    forwarded.end();
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}/`,
    reset,
    requests: () => state.requests,
    sent: () => state.packages,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
