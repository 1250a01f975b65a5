import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

/**
 * The program and its first arguments that is the hub of a network: `dist/hub.js`, seen from the bundle's folders and from
 * the source. Little memory is enough for it, and it takes no more.
 */
export function hubProgram(): readonly string[] {
  const places = ["./hub.js", "../hub.js", "../../../../dist/hub.js"].map((path) =>
    fileURLToPath(new URL(path, import.meta.url)),
  );
  const path = places.find((place) => existsSync(place)) ?? "";
  return [process.execPath, "--max-semi-space-size=1", "--max-old-space-size=64", path];
}
