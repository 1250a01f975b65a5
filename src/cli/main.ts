/**
 * The edge: the only file that reads process.argv, prints, and sets the exit code.
 * It holds nothing heavy; `--version` answers before anything else is loaded.
 */
import { fileURLToPath } from "node:url";
import { setFlagsFromString } from "node:v8";

declare global {
  var CAPSTAN_VERSION: string | undefined;
}

const argv = process.argv.slice(2);

// A folder of 100,000 files makes as many short-lived objects. The young generation, left to grow, takes a third of the
// memory that composing is to stay below, and saves no time; collecting so little with several threads costs some.
setFlagsFromString("--semi-space-growth-factor=1");
setFlagsFromString("--no-parallel-scavenge");

if (argv.length === 1 && (argv[0] === "--version" || argv[0] === "-v")) {
  process.stdout.write(`capstan ${globalThis.CAPSTAN_VERSION}\n`);
} else {
  const { main } = await import("./edge.ts");
  // The built file lies in dist/, guest/ and completions/ beside that.
  const installation = fileURLToPath(new URL("..", import.meta.url));
  // Everything is written by then. To let the process end by itself would leave it without its signal handlers for a
  // moment, in which a second Ctrl-C kills it.
  process.exit(await main(argv, { version: globalThis.CAPSTAN_VERSION ?? "development", installation }));
}
