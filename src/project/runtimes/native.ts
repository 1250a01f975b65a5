import { bindingsOf, type Runtime } from "./runtime.ts";

const ADVICE = "write the command that OSv runs, for example 'bootcmd: /usr/bin/app --port 8000'";

/** Any program of the image. */
export const native: Runtime = {
  name: "native",
  title: "Run any command inside OSv",
  dependencies: [],
  keys: ["bootcmd"],
  template: `
# REQUIRED. The command that OSv runs; the folder of the project is "/" in the image.
# A word with blanks in it goes into double quotes.
# Example: bootcmd: /usr/bin/app --port 8000 "two words"
bootcmd:

# OPTIONAL. Variables of the environment; --env of compose and run comes before them.
# env:
#   PORT: 8000

# OPTIONAL. Run the command of a package's set instead of one of your own.
# base: package:set
`,
  toBootCommand(set, shared) {
    const bindings = bindingsOf(shared, []);
    // A base comes before a command, as in the original.
    if (shared.base !== undefined) {
      set.string("bootcmd", shared.checkCommand);
      return { run: shared.base, bindings };
    }
    return { run: set.required("bootcmd", ADVICE, shared.checkCommand) ?? "", bindings };
  },
};
