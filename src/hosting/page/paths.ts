import { PACKAGES } from "../../remotes/index/survey.ts";

/** The page of the whole repository. */
export const INDEX_PAGE = "index.html";

/** The page of a package: all its versions. Names of packages are file names. */
export function packagePagePath(name: string): string {
  return `${PACKAGES}/${name}.html`;
}
