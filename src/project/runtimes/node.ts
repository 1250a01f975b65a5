import { interpreterCommand } from "./interpreter.ts";
import type { Runtime } from "./runtime.ts";

/** A script for Node.js. */
export const node: Runtime = {
  name: "node",
  title: "Run a Node.js 4.4.5 application",
  dependencies: ["node-4.4.5"],
  keys: ["main", "args", "node_args", "shell"],
  template: `
# REQUIRED. Path of the script; the folder of the project is "/" in the image.
# Example: main: /server.js
main:

# OPTIONAL. Arguments of the script, each whole, blanks included.
# args:
#   - --port
#   - 8000

# OPTIONAL. Arguments of Node.js itself.
# node_args:
#   - --no-deprecation

# OPTIONAL. The interactive shell instead of a script: remove main and args then.
# shell: true

# OPTIONAL. Variables of the environment; --env of compose and run comes before them.
# env:
#   NODE_ENV: production

# OPTIONAL. Another Node.js package than node-4.4.5, named under 'require' in meta/package.yaml.
# base: node-6.10.2:node
`,
  toBootCommand(set, shared) {
    return interpreterCommand(
      {
        base: { package: "node-4.4.5", set: "node" },
        family: /^node/,
        argsKey: "node_args",
        argsName: "NODE_ARGS",
        noArgs: "--",
        shellMain: [],
        mainAdvice: "write the path of the script, for example 'main: /server.js'",
      },
      set,
      shared,
    );
  },
};
