import { createHash } from "node:crypto";
import { filesByPackage, type Inventory, type InventoryFile, type InventoryPackage } from "./inventory.ts";

/** The inventory as a document of SPDX 2.3 in JSON. Source: spdx.github.io/spdx-spec/v2.3, and its spdx-schema.json. */
export function formatSpdx(inventory: Inventory): object {
  const { name, created, tool, kernel, packages, files } = inventory;
  const filesOf = filesByPackage(files);
  return {
    spdxVersion: "SPDX-2.3",
    dataLicense: "CC0-1.0",
    SPDXID: "SPDXRef-DOCUMENT",
    name,
    documentNamespace: `https://spdx.org/spdxdocs/${encodeURIComponent(name)}-${identityOf(inventory)}`,
    creationInfo: { created, creators: [`Tool: ${tool.name}-${tool.version}`] },
    packages: [
      { ...packageOf(IMAGE, { name }), ...analysis(filesOf.get(undefined)), primaryPackagePurpose: "OPERATING_SYSTEM" },
      { ...packageOf(KERNEL, kernel), primaryPackagePurpose: "OPERATING_SYSTEM" },
      ...packages.map((one) => ({
        ...packageOf(`SPDXRef-${one.id}`, one),
        ...analysis(filesOf.get(one.id)),
        ...commentOf(one),
      })),
    ],
    files: files.map(fileOf),
    relationships: [
      relation("SPDXRef-DOCUMENT", "DESCRIBES", IMAGE),
      relation(IMAGE, "CONTAINS", KERNEL),
      ...packages.map(({ id }) => relation(IMAGE, "CONTAINS", `SPDXRef-${id}`)),
      ...files.map((file) =>
        relation(file.package === undefined ? IMAGE : `SPDXRef-${file.package}`, "CONTAINS", `SPDXRef-${file.id}`),
      ),
      ...files.flatMap(({ id, elf }) =>
        (elf?.loads ?? []).map((library) => relation(`SPDXRef-${id}`, "DYNAMIC_LINK", `SPDXRef-${library}`)),
      ),
    ],
  };
}

const IMAGE = "SPDXRef-Image";
const KERNEL = "SPDXRef-Kernel";
const UNSAID = "NOASSERTION";

function packageOf(
  id: string,
  {
    name,
    version,
    url,
  }: { readonly name: string; readonly version?: string | undefined; readonly url?: string | undefined },
) {
  return {
    SPDXID: id,
    name,
    ...(version === undefined ? {} : { versionInfo: version }),
    downloadLocation: UNSAID,
    filesAnalyzed: false,
    licenseConcluded: UNSAID,
    licenseDeclared: UNSAID,
    copyrightText: UNSAID,
    ...(url === undefined ? {} : { externalRefs: [purl(url)] }),
  };
}

/** Only packages that are analysed may contain files, and then their sum is told: SPDX 2.3, 7.8 and 7.9. */
function analysis(files: readonly InventoryFile[] = []) {
  if (files.length === 0) return {};
  const sums = files.map(({ sha1 }) => sha1).sort();
  const packageVerificationCodeValue = createHash("sha1").update(sums.join("")).digest("hex");
  return { filesAnalyzed: true, packageVerificationCode: { packageVerificationCodeValue } };
}

function purl(url: string) {
  return { referenceCategory: "PACKAGE-MANAGER", referenceType: "purl", referenceLocator: url };
}

function commentOf({ comment }: InventoryPackage) {
  return comment === undefined ? {} : { comment };
}

function fileOf({ id, path, sha1, sha256, elf }: InventoryFile) {
  const comment = elf?.soname === undefined ? {} : { comment: `SONAME ${elf.soname}` };
  return {
    SPDXID: `SPDXRef-${id}`,
    fileName: `.${path}`,
    ...(elf === undefined ? {} : { fileTypes: ["BINARY"] }),
    checksums: [
      { algorithm: "SHA1", checksumValue: sha1 },
      { algorithm: "SHA256", checksumValue: sha256 },
    ],
    licenseConcluded: UNSAID,
    licenseInfoInFiles: [UNSAID],
    copyrightText: UNSAID,
    ...comment,
  };
}

function relation(from: string, type: string, to: string) {
  return { spdxElementId: from, relationshipType: type, relatedSpdxElement: to };
}

/** The same image at the same time gives the same document. */
export function identityOf({ name, created, files, packages }: Inventory): string {
  const hash = createHash("sha256").update(JSON.stringify([name, created, packages]));
  for (const { path, sha256 } of files) hash.update(`${path}\0${sha256}\0`);
  const digits = hash.digest("hex");
  // A UUID of version 8, which is for whatever one likes: RFC 9562.
  const parts = [digits.slice(0, 8), digits.slice(8, 12), `8${digits.slice(13, 16)}`, `8${digits.slice(17, 20)}`];
  return [...parts, digits.slice(20, 32)].join("-");
}
