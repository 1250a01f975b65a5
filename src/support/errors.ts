/**
 * The exit codes of the command line, after BSD's sysexits(3) where one fits.
 * They are part of the interface: docs/reference/cli.md shows them with a sentence each.
 */
export const ExitCode = {
  ok: 0,
  /** The guest said that it failed, or QEMU could not run it. */
  runFailed: 1,
  usage: 64,
  badData: 65,
  /** A named file, image, package or instance does not exist. */
  noInput: 66,
  /** Something outside is missing: a program, a server, an acceleration that was forced. */
  unavailable: 69,
  /** A bug of ours: printed with its stack. */
  bug: 70,
  /** The operating system refused: disk full, permission denied, too many files. */
  osError: 71,
  /** Something of that name exists and is in the way. */
  cannotCreate: 73,
  interrupted: 130,
  terminated: 143,
} as const;

export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];

export interface CapstanErrorOptions {
  /** Stable, in kebab case: what scripts and tests match on. */
  readonly code: string;
  /** What the user does about it: one sentence, or a command. */
  readonly hint?: string | undefined;
  readonly exitCode?: ExitCode | undefined;
  readonly cause?: unknown;
  /** All the problems of one input, when there is more than one; each a line of its own. */
  readonly details?: readonly string[] | undefined;
}

/** An error that a user can cause: it prints without a stack. Anything else that is thrown is a bug and prints with one. */
export class CapstanError extends Error {
  readonly code: string;
  readonly hint: string | undefined;
  readonly exitCode: ExitCode;
  readonly details: readonly string[];

  constructor(message: string, options: CapstanErrorOptions) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "CapstanError";
    this.code = options.code;
    this.hint = options.hint;
    this.exitCode = options.exitCode ?? ExitCode.badData;
    this.details = options.details ?? [];
  }
}

/** The work was told to stop by its AbortSignal. */
export class InterruptedError extends CapstanError {
  constructor(exitCode: ExitCode = ExitCode.interrupted) {
    super("Interrupted", { code: "interrupted", exitCode });
    this.name = "InterruptedError";
  }
}

/** Throws when the signal asks for a stop. */
export function checkAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) {
    throw signal.reason instanceof CapstanError ? signal.reason : new InterruptedError();
  }
}

export function isErrno(error: unknown, ...codes: readonly string[]): error is NodeJS.ErrnoException {
  return error instanceof Error && "code" in error && codes.includes(String(error.code));
}

const ERRNO_SENTENCES: Readonly<Record<string, readonly [sentence: string, hint: string, exitCode: ExitCode]>> = {
  ENOENT: ["no such file or directory", "Check the path.", ExitCode.noInput],
  ENOTDIR: ["a part of the path is not a directory", "Check the path.", ExitCode.noInput],
  EISDIR: ["it is a directory, and a file is needed", "Check the path.", ExitCode.badData],
  EACCES: ["permission denied", "Check the permissions of the file and of the folders above it.", ExitCode.osError],
  EPERM: ["operation not permitted", "Check the owner and the permissions of the file.", ExitCode.osError],
  EROFS: ["the file system is read-only", "Choose another folder.", ExitCode.osError],
  ENOSPC: ["no space left on the device", "Free some space, or point CAPSTAN_ROOT at another disk.", ExitCode.osError],
  EDQUOT: ["the disk quota is used up", "Free some space, or point CAPSTAN_ROOT at another disk.", ExitCode.osError],
  EMFILE: ["too many open files", "Raise the limit (ulimit -n) and try again.", ExitCode.osError],
  ELOOP: ["too many symbolic links", "Look for a link that points to itself.", ExitCode.badData],
  ENAMETOOLONG: ["the name is too long", "Use a shorter name.", ExitCode.badData],
  EFBIG: ["the file would be too large for this file system", "Point CAPSTAN_ROOT at another disk.", ExitCode.osError],
  EIO: ["input/output error", "The disk may be failing: look at the system's log.", ExitCode.osError],
};

/**
 * Gives a low-level error its noun ("reading meta/package.yaml"), once, on the way up.
 * Errors of the operating system become a CapstanError; all else is returned as it is.
 */
export function withNoun(error: unknown, doing: string): unknown {
  if (error instanceof CapstanError || !(error instanceof Error)) return error;
  const errno = "code" in error ? String(error.code) : "";
  const known = ERRNO_SENTENCES[errno];
  if (known === undefined) return error;
  const [sentence, hint, exitCode] = known;
  return new CapstanError(`${doing}: ${sentence}`, {
    code: `os-${errno.toLowerCase()}`,
    hint,
    exitCode,
    cause: error,
  });
}

/** Runs `work`; what the operating system refuses in it is told with what was being done. */
export function doing<T>(what: string, work: () => T): T {
  try {
    const result = work();
    if (result instanceof Promise) {
      return result.catch((error: unknown) => {
        throw withNoun(error, what);
      }) as T;
    }
    return result;
  } catch (error) {
    throw withNoun(error, what);
  }
}
