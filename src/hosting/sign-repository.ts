import { chmodSync, readFileSync, realpathSync } from "node:fs";
import { join, resolve, sep } from "node:path";
import { SIGNATURE_NAME } from "../remotes/index/schema.ts";
import { generateKeys, type PublicKey, publicKeyOfPem, signIndex } from "../remotes/index/signature.ts";
import { writeFileAtomically, writeSynced } from "../support/atomic.ts";
import type { Context } from "../support/context.ts";
import { CapstanError, doing, ExitCode, isErrno } from "../support/errors.ts";
import { needIndexFile } from "./index-file.ts";
import { openRepository, whileLocked } from "./repository.ts";

export interface SignResult {
  readonly path: string;
  /** For the configuration of those who fetch: `ed25519:…`. */
  readonly publicKey: string;
  readonly keyId: string;
}

/** Signs the index as it is now. Errors: CapstanError `repository-without-index`, `bad-key`, `key-in-repository`. */
export function signRepository(dir: string, keyPath: string, context: Context): Promise<SignResult> {
  const repository = openRepository(dir, context);
  const { root } = repository;
  const key = resolve(context.cwd, keyPath);
  const pem = doing(`Reading ${key}`, () => readFileSync(key, "utf8"));
  checkOutside(realpathSync(key), root);
  return whileLocked(repository, context, async () => {
    const { bytes } = needIndexFile(root);
    const path = join(root, SIGNATURE_NAME);
    await writeFileAtomically(path, signIndex(bytes, pem, key));
    return { path, ...shown(publicKeyOfPem(pem, key)) };
  });
}

/** Makes a pair of keys, and the file of the private one, which only its owner may read. Error: CapstanError `key-exists`. */
export function createKey(keyPath: string, context: Context): Omit<SignResult, "path"> & { readonly path: string } {
  const path = resolve(context.cwd, keyPath);
  const { pem, publicKey } = generateKeys();
  try {
    doing(`Writing ${path}`, () => writeSecret(path, pem));
  } catch (error) {
    if (!isErrno(error, "EEXIST")) throw error;
    throw new CapstanError(`${path} exists`, {
      code: "key-exists",
      hint: "Name another file: who replaces a key locks out all who trust it.",
      exitCode: ExitCode.cannotCreate,
    });
  }
  return { path, ...shown(publicKey) };
}

function shown({ text, id }: PublicKey): { readonly publicKey: string; readonly keyId: string } {
  return { publicKey: text, keyId: id };
}

/** All that lies in the folder is for everybody. */
function checkOutside(key: string, root: string): void {
  if (!key.startsWith(root + sep)) return;
  throw new CapstanError(`${key} lies in the repository, and would be published with it`, {
    code: "key-in-repository",
    hint: "Move the private key to another folder.",
  });
}

function writeSecret(path: string, text: string): void {
  writeSynced(path, text, { mode: 0o600 });
  chmodSync(path, 0o600);
}
