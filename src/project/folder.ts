import { existsSync } from "node:fs";
import { join } from "node:path";

export const CAPSTANFILE = "Capstanfile";

/** Whether a folder is a project of the packages mode: one of its two files is enough. */
export function isProject(folder: string): boolean {
  return ["package.yaml", "run.yaml"].some((name) => existsSync(join(folder, "meta", name)));
}

/** Whether a folder is built by its Capstanfile: it comes before a meta/ of the same folder, as in the original. */
export function hasCapstanfile(folder: string): boolean {
  return existsSync(join(folder, CAPSTANFILE));
}
