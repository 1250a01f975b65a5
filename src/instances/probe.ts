import { CapstanError, ExitCode } from "../support/errors.ts";

/** What tells that a guest is ready, or well. Ports are the guest's; they are reached through its forwards. */
export type Probe =
  /** A line of the console since the start. */
  | { readonly kind: "log"; readonly pattern: string }
  /** Something listens. */
  | { readonly kind: "tcp"; readonly port: number }
  /** A GET of the path is answered with a status from 200 to 399. */
  | { readonly kind: "http"; readonly port: number; readonly path: string };

/**
 * Reads `log:REGEX`, `tcp:PORT` or `http:PORT/PATH`.
 * @throws CapstanError `bad-probe` (64)
 */
export function parseProbe(text: string): Probe {
  const colon = text.indexOf(":");
  const [kind, rest] = [text.slice(0, Math.max(colon, 0)), text.slice(colon + 1)];
  switch (kind) {
    case "log":
      return { kind, pattern: checkPattern(text, rest) };
    case "tcp":
      return { kind, port: parsePort(text, rest) };
    case "http": {
      const slash = rest.indexOf("/");
      const path = slash === -1 ? "/" : rest.slice(slash);
      return { kind, port: parsePort(text, slash === -1 ? rest : rest.slice(0, slash)), path: checkPath(text, path) };
    }
    default:
      throw badProbe(text, "it begins with none of log:, tcp: and http:");
  }
}

/** As parseProbe reads it. */
export function formatProbe(probe: Probe): string {
  switch (probe.kind) {
    case "log":
      return `log:${probe.pattern}`;
    case "tcp":
      return `tcp:${probe.port}`;
    case "http":
      return `http:${probe.port}${probe.path}`;
  }
}

function checkPattern(text: string, pattern: string): string {
  if (pattern === "") throw badProbe(text, "the expression is empty, and any line would match");
  try {
    new RegExp(pattern);
    return pattern;
  } catch (error) {
    throw badProbe(text, error instanceof Error ? error.message : String(error));
  }
}

function parsePort(text: string, port: string): number {
  const number = /^\d{1,5}$/.test(port) ? Number(port) : 0;
  if (number >= 1 && number <= 65535) return number;
  throw badProbe(text, port === "" ? "the port is missing" : `'${port}' is not a port from 1 to 65535`);
}

/** It goes into a request's first line. */
function checkPath(text: string, path: string): string {
  if (/^[\x21-\x7e]{1,2000}$/.test(path)) return path;
  throw badProbe(text, "the path holds characters that an address does not have; write them as %XX");
}

function badProbe(text: string, why: string): CapstanError {
  return new CapstanError(`'${text}' says nothing to wait for: ${why}`, {
    code: "bad-probe",
    hint: "Write log:REGEX for a line of the console, tcp:PORT or http:PORT/PATH with a port of the guest.",
    exitCode: ExitCode.usage,
  });
}
