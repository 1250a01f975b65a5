import { closeSync, existsSync, openSync, readSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Builder } from "../compose/builder/build-by-vm.ts";
import type { RootRequest } from "../compose/root-filesystem.ts";
import { thisHost } from "../hypervisors/host.ts";
import { chooseAcceleration } from "../hypervisors/qemu/acceleration.ts";
import { findQemu } from "../hypervisors/qemu/find.ts";
import { cacheFolder } from "../instances/layout.ts";
import { CapstanError, ExitCode } from "../support/errors.ts";
import type { CommandContext } from "./answer.ts";
import { type Input, usageError } from "./input.ts";
import { openStore } from "./store.ts";

/** With --builder vm: the same root, made by OSv's builder. */
export async function withBuilder(root: RootRequest, input: Input, context: CommandContext): Promise<RootRequest> {
  const kernel = input.text("builder-kernel");
  if (input.text("builder") !== "vm") {
    if (kernel !== undefined) throw usageError("--builder-kernel goes with --builder vm.", "Write --builder vm.");
    return root;
  }
  if (root.kind !== "zfs") throw usageError("--builder goes with --fs zfs.", "Write --fs zfs.");
  return { ...root, builder: await findBuilder(kernel, context) };
}

async function findBuilder(named: string | undefined, context: CommandContext): Promise<Builder> {
  const kernel = named === undefined ? storedBuilder(context) : checkKernel(resolve(context.cwd, named));
  const { settings, builtin } = openStore(context);
  const host = thisHost();
  const cache = cacheFolder(settings.root.value);
  const qemu = await findQemu({ env: context.env, cwd: context.cwd, cacheFolder: cache, platform: host.platform });
  const { acceleration, warning } = await chooseAcceleration({
    wanted: "auto",
    disabled: settings.disableKvm.value,
    ...{ qemu, host, cacheFolder: cache, signal: context.signal },
    proofKernel: existsSync(builtin.kernel ?? "") ? builtin.kernel : undefined,
  });
  if (warning !== undefined) context.reporter.report({ kind: "warning", text: warning.text, hint: warning.hint });
  return { kernel, machine: { qemu, acceleration } };
}

const NAME = "osv-zfs-builder";

/** The original keeps the ELF under the name of an image. */
function storedBuilder(context: CommandContext): string {
  const folder = join(openStore(context).layout.repository, NAME);
  const found = [".elf", ".qemu", ".elf.x86_64"].map((suffix) => join(folder, NAME + suffix)).find(isElf);
  if (found !== undefined) return found;
  throw new CapstanError(`There is no builder in ${folder}`, {
    code: "no-such-builder",
    hint: `Name its ELF with --builder-kernel, or put it there as ${NAME}.elf; without --builder vm none is needed.`,
    exitCode: ExitCode.noInput,
  });
}

function checkKernel(path: string): string {
  if (isElf(path)) return path;
  throw new CapstanError(`${path} is not the ELF of a kernel`, {
    code: "no-such-builder",
    hint: "OSv's releases call it osv-zfs-builder, its build zfs_builder-stripped.elf.",
    exitCode: ExitCode.noInput,
  });
}

const ELF = Buffer.from("\x7fELF", "latin1");

function isElf(path: string): boolean {
  try {
    const file = openSync(path, "r");
    try {
      const start = Buffer.alloc(ELF.length);
      return readSync(file, start) === ELF.length && start.equals(ELF);
    } finally {
      closeSync(file);
    }
  } catch {
    return false;
  }
}
