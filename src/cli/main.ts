/**
 * The edge: the only file that reads process.argv, prints, and sets the exit code.
 * It holds nothing heavy; `--version` answers before anything else is loaded.
 */
import { fileURLToPath } from "node:url";
import { withOddBytes } from "./arguments.ts";
import { runCached, tuneEngine } from "./cached-script.ts";

declare global {
  var CAPSTAN_VERSION: string | undefined;
  /** The file of dist/ that holds everything else. */
  var CAPSTAN_SCRIPT: string | undefined;
}

const argv = withOddBytes(process.argv.slice(2));

if (argv.length === 1 && (argv[0] === "--version" || argv[0] === "-v")) {
  process.stdout.write(`capstan ${globalThis.CAPSTAN_VERSION}\n`);
} else {
  tuneEngine();
  const path = fileURLToPath(new URL(globalThis.CAPSTAN_SCRIPT ?? "", import.meta.url));
  const { exports, isCached, keepCode } = runCached<typeof import("./edge.ts")>(path);
  // The built file lies in dist/, guest/ and completions/ beside that.
  const installation = fileURLToPath(new URL("..", import.meta.url));
  const version = globalThis.CAPSTAN_VERSION ?? "development";
  const code = await exports.main(argv, { version, installation });
  // Node was replaced since the build.
  if (!isCached) keepCode();
  // Everything is written by then. To let the process end by itself would leave it without its signal handlers for a
  // moment, in which a second Ctrl-C kills it.
  process.exit(code);
}
