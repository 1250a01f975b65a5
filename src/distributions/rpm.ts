import type { FileSpace } from "../filesystems/file-space.ts";
import type { Distribution, PackageOfFile } from "./distribution.ts";
import type { RunProgram } from "./run-program.ts";

const DATABASES = ["/var/lib/rpm", "/usr/lib/sysimage/rpm"];
const FORMAT = "%{NAME}\t%{VERSION}-%{RELEASE}\n";

/**
 * The packages of Fedora, Red Hat and SUSE. Their database is no text, and of several kinds: rpm itself is asked, so only
 * on this machine. What no installed package has, dnf is asked for as far as it remembers (-C: it loads nothing).
 */
export function openRpm(space: FileSpace, runProgram: RunProgram | undefined): Distribution | undefined {
  const isThere = DATABASES.some((path) => (space.list(path) ?? []).some((name) => /^rpmdb|^Packages/.test(name)));
  if (!isThere || space.name !== "/" || runProgram === undefined) return undefined;
  const isSuse = space.find("/usr/bin/zypper") !== undefined;
  const owners = new Map<string, PackageOfFile | undefined>();
  const providers = new Map<string, string | undefined>();
  return {
    manager: "rpm",
    ownerOf: (path) => remember(owners, path, () => askOwner(runProgram, path)),
    providerOf: (fileName) => remember(providers, fileName, () => askProvider(runProgram, fileName)),
    installCommand: (packageName) => `${isSuse ? "zypper" : "dnf"} install ${packageName}`,
  };
}

function remember<T>(known: Map<string, T>, key: string, ask: () => T): T {
  const found = known.get(key);
  if (found !== undefined || known.has(key)) return found as T;
  const answer = ask();
  known.set(key, answer);
  return answer;
}

function askOwner(runProgram: RunProgram, path: string): PackageOfFile | undefined {
  const [name, version] = firstLine(runProgram("rpm", ["-qf", "--qf", FORMAT, "--", path]))?.split("\t") ?? [];
  return name === undefined || version === undefined ? undefined : { name, version };
}

/** Packages provide "libssl.so.3()(64bit)", or "libssl.so.3" those of 32 bits. */
function askProvider(runProgram: RunProgram, fileName: string): string | undefined {
  const capability = `${fileName}()(64bit)`;
  const installed = firstLine(runProgram("rpm", ["-q", "--qf", FORMAT, "--whatprovides", capability]))?.split("\t");
  if (installed?.length === 2) return installed[0];
  const known = firstLine(
    runProgram("dnf", ["-C", "-q", "repoquery", "--qf", "%{name}\n", "--whatprovides", capability]),
  );
  return known !== undefined && /^[A-Za-z0-9][\w.+-]*$/.test(known) ? known : undefined;
}

function firstLine(text: string | undefined): string | undefined {
  return text
    ?.split("\n")
    .find((line) => line.trim() !== "")
    ?.trim();
}
