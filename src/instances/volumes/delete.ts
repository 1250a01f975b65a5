import { rmSync } from "node:fs";
import { doing } from "../../support/errors.ts";
import { findVolume } from "./list.ts";
import { metadataPath } from "./metadata.ts";
import { checkUnused } from "./uses.ts";

/**
 * Deletes a volume of a project and its description. `root`: $CAPSTAN_ROOT.
 * @throws CapstanError `bad-volume-name` (64), `no-such-volume` (66), `volume-in-use` (73)
 */
export function deleteVolume(
  project: string,
  name: string,
  root: string,
): { readonly name: string; readonly path: string } {
  const { path } = findVolume(project, name, root);
  checkUnused(root, path);
  doing(`Deleting ${path}`, () => {
    rmSync(path);
    rmSync(metadataPath(path), { force: true });
  });
  return { name, path };
}
