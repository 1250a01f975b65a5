import { resolve } from "node:path";
import { provenanceOf } from "../../compose/provenance.ts";
import { openView } from "../../compose/view.ts";
import { machineSystem, sourceFinder } from "../../images/file-sources.ts";
import { formatCycloneDx } from "../../images/sbom/cyclonedx.ts";
import { takeInventory } from "../../images/sbom/inventory.ts";
import { formatSpdx } from "../../images/sbom/spdx.ts";
import { readKernel } from "../../kernels/kernel.ts";
import { packageTime } from "../../packages/build-package.ts";
import { checkFolderOf, checkReplaceable, writeFileAtomically } from "../../support/atomic.ts";
import { count } from "../../support/count.ts";
import type { Answer, CommandContext } from "../answer.ts";
import { findImageOrFile } from "../find-image.ts";
import type { Input } from "../input.ts";
import { backingOf } from "../instance-disk.ts";

export async function run(input: Input, context: CommandContext): Promise<Answer> {
  const image = findImageOrFile(input.need("image"), context);
  const view = openView(image.path, { backing: backingOf(image.path, context) });
  try {
    const { tree } = view.root();
    const provenance = provenanceOf(image.path);
    if (provenance === undefined) {
      context.reporter.report({
        kind: "warning",
        text: `Where the files of ${image.name} came from is not recorded: packages are told only as far as the files themselves say`,
        hint: "Images that this version composes have that record.",
      });
    }
    const { kind, version } = readKernel({ name: image.name, image: image.path, elf: image.kernel });
    const inventory = await takeInventory(
      {
        ...{ name: image.name, tree, distribution: machineSystem(), created: createdTime(context) },
        sourceOf: sourceFinder({ provenance, tree, name: image.name }, context),
        kernel: {
          ...{ name: kind === "osv" ? "OSv" : "Capstan demo kernel", version },
          url:
            kind === "osv" && version !== undefined
              ? `pkg:github/cloudius-systems/osv@${encodeURIComponent(version)}`
              : undefined,
        },
        tool: { name: "capstan", version: context.version },
      },
      context,
    );
    const value = input.text("format") === "cyclonedx" ? formatCycloneDx(inventory) : formatSpdx(inventory);
    const text = `${JSON.stringify(value, undefined, 2)}\n`;
    const output = input.text("output");
    if (output === undefined) return { value, text: () => text };
    const path = resolve(context.cwd, output);
    checkFolderOf(path, "--output");
    checkReplaceable(path);
    await writeFileAtomically(path, text);
    const { packages, files } = inventory;
    const what = `${count(packages.length, "package")}, ${count(files.length, "file")}`;
    context.reporter.report({ kind: "step", text: `Wrote ${path}: ${what}` });
    return { value };
  } finally {
    view.close();
  }
}

function createdTime({ env, now }: CommandContext): Date {
  const { SOURCE_DATE_EPOCH: epoch } = env;
  return epoch === undefined || epoch === "" ? now() : new Date(packageTime({}, env) * 1000);
}
