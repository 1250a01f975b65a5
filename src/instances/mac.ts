import { createHash } from "node:crypto";
import { CapstanError, ExitCode } from "../support/errors.ts";

/**
 * A network card's address: six bytes in hexadecimal between colons or dashes; in lower case with colons.
 * @throws CapstanError `bad-mac` (64)
 */
export function parseMac(text: string): string {
  const bytes = text.split(/[:-]/);
  if (bytes.length !== 6 || !bytes.every((byte) => /^[0-9a-f]{2}$/i.test(byte))) {
    throw badMac(`'${text}' is not a MAC address`);
  }
  if (bytes.every((byte) => byte === "00")) throw badMac("The MAC address of a card cannot be all zeros");
  if ((Number.parseInt(bytes[0] ?? "", 16) & 1) === 1)
    throw badMac(`'${text}' is a multicast address, not one of a card`);
  return bytes.join(":").toLowerCase();
}

/** An address of the locally administered range that is always the same for the same words. */
export function stableMac(...words: readonly string[]): string {
  const hash = createHash("sha256").update(words.join("\0")).digest();
  return ["02", ...[...hash.subarray(0, 5)].map((byte) => byte.toString(16).padStart(2, "0"))].join(":");
}

function badMac(message: string): CapstanError {
  return new CapstanError(message, {
    code: "bad-mac",
    hint: "Write it as 52:54:00:12:34:56.",
    exitCode: ExitCode.usage,
  });
}
