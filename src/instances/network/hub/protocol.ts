import { isIPv4 } from "node:net";
import { isRecord } from "../../../support/records.ts";

/**
 * What instances and the hub of a network say to each other on its socket: one JSON object a line. An instance is a member
 * from the answer to its `join` until it closes the connection; while its machine is still connected, it stays even then.
 */
export const LONGEST_LINE = 64 << 10;

export interface JoinRequest {
  readonly do: "join";
  /** The instance. */
  readonly name: string;
  /** The host names that lead to it. */
  readonly names: readonly string[];
  /** Where its machine listens or will listen. */
  readonly socket: string;
  /** The address that it wants to have; without one, or when that is taken and not `fixed`, it gets another. */
  readonly address?: string | undefined;
  readonly fixed: boolean;
  /** Whether it has a way to the outer world: names that are no member's are then looked up there. */
  readonly outside: boolean;
}

export interface StatusRequest {
  readonly do: "status";
}

export interface MemberView {
  readonly name: string;
  readonly names: readonly string[];
  readonly address: string;
  /** Whether its machine is connected. */
  readonly connected: boolean;
}

export type HubAnswer =
  | { readonly ok: true; readonly address?: string | undefined; readonly members: readonly MemberView[] }
  | { readonly ok: false; readonly code: "address-taken" | "network-full" | "bad-request"; readonly message: string };

/** Undefined when the line is no request. */
export function parseRequest(line: string): JoinRequest | StatusRequest | undefined {
  const value = parseLine(line);
  if (value === undefined) return undefined;
  if (value.do === "status") return { do: "status" };
  const { name, names = [], socket, address, fixed, outside } = value;
  const areWhole =
    value.do === "join" && isText(name) && isList(names, isHostName) && isSocket(socket) && isAddress(address);
  if (!areWhole) return undefined;
  return { do: "join", name, names, socket, address, fixed: fixed === true, outside: outside === true };
}

/** Undefined when the line is no answer. */
export function parseAnswer(line: string): HubAnswer | undefined {
  const value = parseLine(line);
  if (value === undefined) return undefined;
  const { address, members = [] } = value;
  if (value.ok === true && isAddress(address) && isList(members, isMember)) return { ok: true, address, members };
  if (value.ok !== false || typeof value.message !== "string") return undefined;
  const code = value.code === "address-taken" || value.code === "network-full" ? value.code : "bad-request";
  return { ok: false, code, message: value.message };
}

/** A name that other guests can use: as host names are, in any case, with underscores as many write them. */
export function isHostName(value: unknown): value is string {
  return typeof value === "string" && /^[a-z0-9]([a-z0-9_.-]{0,250}[a-z0-9])?$/i.test(value);
}

function parseLine(line: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return isRecord(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isMember(value: unknown): value is MemberView {
  if (!isRecord(value)) return false;
  const { name, names, address, connected } = value;
  return (
    isText(name) &&
    isList(names, isHostName) &&
    typeof address === "string" &&
    isIPv4(address) &&
    typeof connected === "boolean"
  );
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value !== "" && value.length <= 256;
}

function isList<Item>(value: unknown, isItem: (item: unknown) => item is Item): value is Item[] {
  return Array.isArray(value) && value.length <= 256 && value.every(isItem);
}

function isSocket(value: unknown): value is string {
  return (
    typeof value === "string" && value.startsWith("/") && Buffer.byteLength(value) <= 4096 && !value.includes("\0")
  );
}

function isAddress(value: unknown): value is string | undefined {
  return value === undefined || (typeof value === "string" && isIPv4(value));
}
