import { count } from "../../support/count.ts";
import { CapstanError, ExitCode } from "../../support/errors.ts";
import type { Answer, CommandContext } from "../answer.ts";
import type { Input } from "../input.ts";
import { machineArch, openRemotes } from "../remotes.ts";
import { formatTable } from "../table-text.ts";

interface Tested {
  readonly name: string;
  readonly address: string;
  readonly packages: number | null;
  readonly images: number | null;
  readonly problem: string | null;
}

/** Asks each remote for its lists, and tells what came. */
export async function run(input: Input, context: CommandContext): Promise<Answer> {
  const remotes = await openRemotes(input, "packages", context);
  const query = { details: false, arch: machineArch() };
  const value: Tested[] = [];
  for (const remote of remotes) {
    const { name, address } = remote;
    try {
      const packages = (await remote.packages(query, context)).length;
      const images = (await remote.images(query, context)).length;
      value.push({ name, address, packages, images, problem: null });
    } catch (error) {
      if (!(error instanceof CapstanError) || error.code === "interrupted") throw error;
      value.push({ name, address, packages: null, images: null, problem: error.message });
    }
  }
  const rows = value.map(({ name, packages, images, problem, address }) => [
    name,
    problem === null ? `${count(packages ?? 0, "package")}, ${count(images ?? 0, "image")}` : problem,
    address,
  ]);
  const fails = value.some(({ problem }) => problem !== null);
  return {
    value,
    text: () => formatTable(["NAME", "ANSWER", "ADDRESS"], rows),
    exitCode: fails ? ExitCode.unavailable : ExitCode.ok,
  };
}
