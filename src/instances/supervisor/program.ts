import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

/**
 * The program and its first arguments that supervises an instance in the background: `dist/supervisor.js`, seen from the
 * bundle's folders and from the source. Little memory is enough for it, and it takes no more.
 */
export function supervisorProgram(): readonly string[] {
  const places = ["./supervisor.js", "../supervisor.js", "../../../dist/supervisor.js"].map((path) =>
    fileURLToPath(new URL(path, import.meta.url)),
  );
  const path = places.find((place) => existsSync(place)) ?? "";
  return [process.execPath, "--max-semi-space-size=1", "--max-old-space-size=96", path];
}
