import type { FileSpace } from "../filesystems/file-space.ts";
import { openApk } from "./apk.ts";
import { openDpkg } from "./dpkg.ts";
import { openRpm } from "./rpm.ts";
import type { RunProgram } from "./run-program.ts";

/** The packages of the system in a space (dpkg, rpm, apk), as far as files go. */
export interface Distribution {
  readonly manager: "dpkg" | "rpm" | "apk";
  /** The installed package that a file of the space came with, such as "libssl3", with its version where that is known. */
  ownerOf(path: string): PackageOfFile | undefined;
  /** The package, installed or not, that would bring a file of this name ("libssl.so.3"), as far as the machine knows. */
  providerOf(fileName: string): string | undefined;
  /** The command that installs a package: "apt-get install libssl3". */
  installCommand(packageName: string): string;
}

export interface PackageOfFile {
  readonly name: string;
  readonly version: string | undefined;
}

export interface DistributionOptions {
  /** Asks the machine's own package manager where its records cannot be read (rpm); only used when the space is "/". */
  readonly runProgram?: RunProgram | undefined;
}

/**
 * Undefined where the space has no package manager that is known, or its records cannot be read.
 * Nothing is started but what `runProgram` starts. Records are read when they are first asked for, and kept.
 */
export function openDistribution(space: FileSpace, options: DistributionOptions = {}): Distribution | undefined {
  return openDpkg(space) ?? openApk(space) ?? openRpm(space, options.runProgram);
}
