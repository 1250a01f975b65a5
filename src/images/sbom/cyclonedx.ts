import { filesByPackage, type Inventory, type InventoryFile, type InventoryPackage } from "./inventory.ts";
import { identityOf } from "./spdx.ts";

/** The inventory as a bill of CycloneDX 1.5 in JSON. Source: cyclonedx.org/docs/1.5/json, and its bom-1.5.schema.json. */
export function formatCycloneDx(inventory: Inventory): object {
  const { name, created, tool, kernel, packages, files } = inventory;
  const filesOf = filesByPackage(files);
  const loose = filesOf.get(undefined) ?? [];
  return {
    bomFormat: "CycloneDX",
    specVersion: "1.5",
    serialNumber: `urn:uuid:${identityOf(inventory)}`,
    version: 1,
    metadata: {
      timestamp: created,
      tools: { components: [{ type: "application", ...tool }] },
      component: { type: "application", "bom-ref": IMAGE, name },
    },
    components: [
      { type: "operating-system", "bom-ref": KERNEL, ...identity(kernel) },
      ...packages.map((one) => packageComponent(one, filesOf.get(one.id) ?? [])),
      ...loose.map(fileComponent),
    ],
    dependencies: [
      { ref: IMAGE, dependsOn: [KERNEL, ...packages.map(({ id }) => id), ...loose.map(({ id }) => id)] },
      ...files.flatMap(({ id, elf }) => {
        const loads = [...new Set(elf?.loads ?? [])].filter((library) => library !== id);
        return loads.length === 0 ? [] : [{ ref: id, dependsOn: loads }];
      }),
    ],
  };
}

const IMAGE = "Image";
const KERNEL = "Kernel";

function packageComponent(one: InventoryPackage, files: readonly InventoryFile[]) {
  return {
    type: one.kind === "project" ? "application" : "library",
    "bom-ref": one.id,
    ...identity(one),
    ...(one.comment === undefined ? {} : { description: one.comment }),
    ...(files.length === 0 ? {} : { components: files.map(fileComponent) }),
  };
}

function identity({
  name,
  version,
  url,
}: {
  readonly name: string;
  readonly version: string | undefined;
  readonly url: string | undefined;
}) {
  return { name, ...(version === undefined ? {} : { version }), ...(url === undefined ? {} : { purl: url }) };
}

function fileComponent({ id, path, sha1, sha256, elf }: InventoryFile) {
  const properties = [
    ...(elf?.soname === undefined ? [] : [{ name: "capstan:soname", value: elf.soname }]),
    ...(elf?.buildId === undefined ? [] : [{ name: "capstan:build-id", value: elf.buildId }]),
  ];
  return {
    type: elf?.isLibrary === true ? "library" : "file",
    "bom-ref": id,
    name: path,
    hashes: [
      { alg: "SHA-1", content: sha1 },
      { alg: "SHA-256", content: sha256 },
    ],
    ...(properties.length === 0 ? {} : { properties }),
  };
}
