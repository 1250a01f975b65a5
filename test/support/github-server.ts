import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface ServedAsset {
  readonly name: string;
  readonly content: string | Uint8Array;
  /** "uploaded" unless said. */
  readonly state?: string;
  /** Releases of before 2025 have none. */
  readonly digest?: boolean;
}

export interface ServedRelease {
  readonly tag: string;
  readonly draft?: boolean;
  readonly prerelease?: boolean;
  readonly assets: readonly ServedAsset[];
}

export interface Asked {
  readonly host: "api" | "downloads";
  readonly path: string;
  readonly headers: IncomingMessage["headers"];
  readonly status: number;
}

/**
 * GitHub's REST API for the releases of one repository, and its download host as another origin, on loopback: pages with a Link
 * header, ETags, a rate limit that answers 304 do not count for, assets with size and digest.
 */
export class GithubServer implements AsyncDisposable {
  readonly repository = "cloudius-systems/osv";
  readonly asked: Asked[] = [];
  releases: readonly ServedRelease[];
  /** Requests that are still allowed; those without a token count. */
  remaining = 60;
  /** When set, requests without it see nothing. */
  token: string | undefined;
  /** At most so many releases a page, whatever is asked for. */
  pageLimit = 100;
  /** Changes the JSON of an asset, or anything else, before it is sent. */
  tamper: (path: string, json: string) => string = (_path, json) => json;
  /** Answers for a path instead of what is there. */
  readonly failing = new Map<string, number>();
  readonly #api: Server;
  readonly #downloads: Server;

  private constructor(releases: readonly ServedRelease[]) {
    this.releases = releases;
    this.#api = createServer((request, response) =>
      this.#record("api", request, response, () => this.#answer(request, response)),
    );
    this.#downloads = createServer((request, response) =>
      this.#record("downloads", request, response, () => this.#download(request, response)),
    );
  }

  static async start(releases: readonly ServedRelease[]): Promise<GithubServer> {
    const server = new GithubServer(releases);
    await Promise.all([listen(server.#api), listen(server.#downloads)]);
    return server;
  }

  get apiUrl(): string {
    return originOf(this.#api);
  }

  get downloadUrl(): string {
    return originOf(this.#downloads);
  }

  /** The paths that the API was asked for, in order. */
  get apiPaths(): readonly string[] {
    return this.asked.filter(({ host }) => host === "api").map(({ path }) => path);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const server of [this.#api, this.#downloads]) {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  }

  #record(host: Asked["host"], request: IncomingMessage, response: ServerResponse, answer: () => ServerResponse): void {
    const path = decodeURI(request.url ?? "");
    const failing = this.failing.get(path);
    if (failing === undefined) answer();
    else response.writeHead(failing, { "content-type": "text/html" }).end("<html><body>Unicorn!</body></html>");
    this.asked.push({ host, path, headers: request.headers, status: response.statusCode });
  }

  #answer(request: IncomingMessage, response: ServerResponse): ServerResponse {
    const url = new URL(request.url ?? "", this.apiUrl);
    const authorized = this.token !== undefined && request.headers.authorization === `Bearer ${this.token}`;
    if (this.token !== undefined && !authorized) return notFound(response);
    const base = `/repos/${this.repository}/releases`;
    if (!url.pathname.startsWith(base)) return notFound(response);
    const rest = decodeURIComponent(url.pathname.slice(base.length));
    const asset = /^\/assets\/(\d+)$/.exec(rest);
    if (asset !== null) return this.#redirectToAsset(Number(asset[1]), request, response);
    const published = this.releases.filter(({ draft }) => draft !== true || authorized);
    if (rest === "") return this.#sendPage(published, { url, request, response, authorized });
    const release =
      rest === "/latest"
        ? published.find(({ draft, prerelease }) => draft !== true && prerelease !== true)
        : published.find(({ tag }) => rest === `/tags/${tag}`);
    if (release === undefined) return notFound(response);
    return this.#sendJson(this.#releaseJson(release), { url, request, response, authorized });
  }

  #sendPage(releases: readonly ServedRelease[], exchange: Exchange): ServerResponse {
    const { url, response } = exchange;
    const size = Math.min(Number(url.searchParams.get("per_page") ?? 30), this.pageLimit);
    const page = Number(url.searchParams.get("page") ?? 1);
    const last = Math.max(1, Math.ceil(releases.length / size));
    const link = (to: number, rel: string) => {
      // As GitHub does: by the number of the repository, not by its name.
      return `<${this.apiUrl}/repositories/7258882/releases?per_page=${size}&page=${to}>; rel="${rel}"`;
    };
    const links = [
      ...(page > 1 ? [link(page - 1, "prev")] : []),
      ...(page < last ? [link(page + 1, "next"), link(last, "last")] : []),
      ...(page > 1 ? [link(1, "first")] : []),
    ];
    if (links.length > 0) response.setHeader("link", links.join(", "));
    const shown = releases.slice((page - 1) * size, page * size);
    return this.#sendJson(
      shown.map((release) => this.#releaseJson(release)),
      exchange,
    );
  }

  #sendJson(value: unknown, { url, request, response, authorized }: Exchange): ServerResponse {
    const body = this.tamper(url.pathname, JSON.stringify(value));
    const etag = `W/"${createHash("sha256").update(body).digest("hex")}"`;
    const isKnown = request.headers["if-none-match"] === etag;
    if (!authorized && !isKnown) {
      if (this.remaining === 0) return limited(response);
      this.remaining--;
    }
    response.setHeader("etag", etag);
    response.setHeader("x-ratelimit-limit", "60");
    response.setHeader("x-ratelimit-remaining", String(this.remaining));
    if (isKnown) return response.writeHead(304).end();
    return response.writeHead(200, { "content-type": "application/json; charset=utf-8" }).end(body);
  }

  #releaseJson(release: ServedRelease): unknown {
    const { tag, draft = false, prerelease = false, assets } = release;
    return {
      url: `${this.apiUrl}/repos/${this.repository}/releases/${this.releases.indexOf(release)}`,
      id: 85_000_000 + this.releases.indexOf(release),
      tag_name: tag,
      name: `Release ${tag}`,
      draft,
      prerelease,
      created_at: "2022-12-20T03:14:29Z",
      published_at: draft ? null : "2022-12-20T12:20:38Z",
      assets: assets.map((asset, index) => this.#assetJson(release, asset, index)),
    };
  }

  #assetJson(release: ServedRelease, asset: ServedAsset, index: number): unknown {
    const content = Buffer.from(asset.content);
    const id = this.releases.indexOf(release) * 1000 + index;
    const digest = `sha256:${createHash("sha256").update(content).digest("hex")}`;
    return {
      url: `${this.apiUrl}/repos/${this.repository}/releases/assets/${id}`,
      id,
      name: asset.name,
      label: "",
      content_type: "application/octet-stream",
      state: asset.state ?? "uploaded",
      size: content.length,
      digest: asset.digest === false ? null : digest,
      created_at: "2022-12-28T02:45:09Z",
      updated_at: "2022-12-28T02:45:10Z",
      browser_download_url: `${this.downloadUrl}/${this.repository}/releases/download/${release.tag}/${asset.name}`,
    };
  }

  /** What the API does for those who ask for the bytes; all others get the asset's JSON. */
  #redirectToAsset(id: number, request: IncomingMessage, response: ServerResponse): ServerResponse {
    const release = this.releases[Math.floor(id / 1000)];
    const asset = release?.assets[id % 1000];
    if (release === undefined || asset === undefined) return notFound(response);
    if (request.headers.accept !== "application/octet-stream") return notFound(response);
    const location = `${this.downloadUrl}/signed/${release.tag}/${asset.name}`;
    return response.writeHead(302, { location }).end();
  }

  #download(request: IncomingMessage, response: ServerResponse): ServerResponse {
    const [tag = "", name = ""] = decodeURIComponent(request.url ?? "")
      .split("/")
      .slice(-2);
    const asset = this.releases.find((release) => release.tag === tag)?.assets.find((one) => one.name === name);
    if (asset === undefined) return notFound(response);
    return response.writeHead(200, { "content-length": Buffer.from(asset.content).length }).end(asset.content);
  }
}

interface Exchange {
  readonly url: URL;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly authorized: boolean;
}

function notFound(response: ServerResponse): ServerResponse {
  return response.writeHead(404, { "content-type": "application/json" }).end('{"message":"Not Found","status":"404"}');
}

function limited(response: ServerResponse): ServerResponse {
  const reset = String(Math.ceil(Date.now() / 1000) + 1800);
  return response
    .writeHead(403, { "content-type": "application/json", "x-ratelimit-remaining": "0", "x-ratelimit-reset": reset })
    .end('{"message":"API rate limit exceeded for 127.0.0.1."}');
}

async function listen(server: Server): Promise<void> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
}

function originOf(server: Server): string {
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
