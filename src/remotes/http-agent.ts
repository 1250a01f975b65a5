import { setFlagsFromString } from "node:v8";
import type { Dispatcher } from "undici";
import { CapstanError, ExitCode } from "../support/errors.ts";
import { takeCredentials } from "./http-url.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * What sends requests to this address: directly, or through the proxy that the environment names. Names in small letters win over
 * those in capitals, as with curl; an http: address goes to the proxy whole, an https: one through a tunnel.
 * Certificates are always checked, whatever the environment says; NODE_EXTRA_CA_CERTS adds authorities.
 */
export async function dispatcherFor(url: URL, env: Environment): Promise<Dispatcher> {
  const name = url.protocol === "https:" ? "HTTPS_PROXY" : "HTTP_PROXY";
  const proxy = (env[name.toLowerCase()] ?? env[name] ?? "").trim();
  const noProxy = env.no_proxy ?? env.NO_PROXY ?? "";
  const key = JSON.stringify([proxy, noProxy]);
  const known = dispatchers.get(key);
  if (known !== undefined) return known;
  const made = await makeDispatcher(proxy === "" ? undefined : parseProxy(proxy, name), noProxy);
  // Two may have asked at once: one set of connections is enough.
  const first = dispatchers.get(key) ?? made;
  dispatchers.set(key, first);
  return first;
}

/** They hold the open connections, which do not keep the process alive while nothing is asked. */
const dispatchers = new Map<string, Dispatcher>();

async function makeDispatcher(proxy: URL | undefined, noProxy: string): Promise<Dispatcher> {
  // undici reads answers with a small WebAssembly program; optimising it takes 35 MiB and more time than it ever saves.
  setFlagsFromString("--liftoff-only");
  const tls = { rejectUnauthorized: true, timeout: CONNECT_TIMEOUT_MS };
  if (proxy === undefined) {
    // All of undici takes twice the time to load, and much more memory; its agents for proxies need all of it.
    const { default: Agent } = await import("undici/lib/dispatcher/agent.js");
    return new Agent({ connect: tls });
  }
  // By its default export: bundled, a module of the old kind has no other.
  const { EnvHttpProxyAgent } = (await import("undici")).default;
  const { authorization } = takeCredentials(proxy);
  return new EnvHttpProxyAgent({
    connect: tls,
    httpProxy: proxy.href,
    httpsProxy: proxy.href,
    noProxy,
    proxyTunnel: false,
    requestTls: tls,
    proxyTls: tls,
    ...(authorization === undefined ? {} : { token: authorization }),
  });
}

export const CONNECT_TIMEOUT_MS = 10_000;

/** `proxy:3128` and `http://user:password@proxy:3128/`. */
function parseProxy(text: string, name: string): URL {
  const full = text.includes("://") ? text : `http://${text}`;
  if (URL.canParse(full)) {
    const url = new URL(full);
    if (["http:", "https:", "socks5:", "socks:"].includes(url.protocol) && url.hostname !== "") return url;
  }
  throw new CapstanError(`${name} is not the address of a proxy`, {
    code: "bad-proxy",
    hint: `Set ${name} to something like http://proxy.example.com:3128, or unset it.`,
    exitCode: ExitCode.usage,
  });
}
