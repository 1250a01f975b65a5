import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, sign, verify } from "node:crypto";
import { quoted } from "../../project/text-file.ts";
import { CapstanError, ExitCode } from "../../support/errors.ts";

/**
 * Detached signatures of an index: one line, `capstan-ed25519 KEYID BASE64`. The signature is Ed25519 (RFC 8032) over
 * the bytes of index.json; KEYID is the first 16 hexadecimal digits of the SHA-256 of the 32 bytes of the public key.
 */
const LABEL = "capstan-ed25519";

/** A public key as configurations have it: `ed25519:` and the 32 bytes in base64. */
export interface PublicKey {
  readonly text: string;
  readonly id: string;
  /** The 32 bytes. */
  readonly bytes: Buffer;
}

/** Error: CapstanError `bad-key`. */
export function parsePublicKey(text: string): PublicKey {
  const match = /^(?:ed25519:)?([A-Za-z0-9+/]{43}=)$/.exec(text.trim());
  const bytes = Buffer.from(match?.[1] ?? "", "base64");
  if (bytes.length !== KEY_SIZE) {
    throw new CapstanError(`${quoted(text)} is not a public key of a repository`, {
      code: "bad-key",
      hint: "Write it as 'capstan repo sign' shows it: ed25519: and 44 characters.",
      exitCode: ExitCode.usage,
    });
  }
  return publicKeyOf(bytes);
}

/** A new pair; `pem` is the private one, PKCS #8, to be kept from others. */
export function generateKeys(): { readonly pem: string; readonly publicKey: PublicKey } {
  const { privateKey } = generateKeyPairSync("ed25519");
  const pem = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
  return { pem, publicKey: publicKeyOfPem(pem, "the new key") };
}

/** The public key of a private one. `name` stands for it in messages. Error: CapstanError `bad-key`. */
export function publicKeyOfPem(pem: string, name: string): PublicKey {
  const jwk = createPublicKey(privateKey(pem, name)).export({ format: "jwk" });
  return publicKeyOf(Buffer.from(String(jwk.x), "base64url"));
}

/** The line that goes into index.json.sig, with its line end. */
export function signIndex(bytes: Uint8Array, pem: string, name: string): string {
  const signature = sign(null, bytes, privateKey(pem, name)).toString("base64");
  return `${LABEL} ${publicKeyOfPem(pem, name).id} ${signature}\n`;
}

/** Why a signature does not hold; undefined when it is one of the bytes by one of the keys. */
export function signatureProblem(
  bytes: Uint8Array,
  signature: Uint8Array,
  keys: readonly PublicKey[],
): string | undefined {
  const text = Buffer.from(signature.subarray(0, SIGNATURE_LIMIT)).toString("latin1");
  const match = /^capstan-ed25519 ([0-9a-f]{16}) ([A-Za-z0-9+/]{86}==)\s*$/.exec(text);
  if (match === null) return "its signature is damaged";
  const [, id, base64 = ""] = match;
  const key = keys.find((candidate) => candidate.id === id);
  if (key === undefined) return `it is signed with the key ${id}, which is not trusted`;
  const holds = verify(null, bytes, keyObject(key), Buffer.from(base64, "base64"));
  return holds ? undefined : "its signature does not fit: it was changed after it was signed";
}

const KEY_SIZE = 32;
const SIGNATURE_LIMIT = 1024;

function publicKeyOf(bytes: Buffer): PublicKey {
  const id = createHash("sha256").update(bytes).digest("hex").slice(0, 16);
  return { text: `ed25519:${bytes.toString("base64")}`, id, bytes };
}

function keyObject({ bytes }: PublicKey) {
  return createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x: bytes.toString("base64url") }, format: "jwk" });
}

function privateKey(pem: string, name: string) {
  try {
    const key = createPrivateKey(pem);
    if (key.asymmetricKeyType === "ed25519") return key;
  } catch (error) {
    throw badPrivateKey(name, error);
  }
  throw badPrivateKey(name, undefined);
}

function badPrivateKey(name: string, cause: unknown): CapstanError {
  return new CapstanError(`${name} is not a private Ed25519 key in PEM without a pass phrase`, {
    code: "bad-key",
    hint: "Make one with 'capstan repo sign --new-key FILE', or with 'openssl genpkey -algorithm ed25519'.",
    cause,
  });
}
