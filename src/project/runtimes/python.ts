import { interpreterCommand } from "./interpreter.ts";
import type { Runtime } from "./runtime.ts";

/** A script for Python. */
export const python: Runtime = {
  name: "python",
  title: "Run a Python 2.7 application",
  dependencies: ["python-2.7"],
  keys: ["main", "args", "python_args", "shell"],
  template: `
# REQUIRED. Path of the script; the folder of the project is "/" in the image.
# Example: main: /hello.py
main:

# OPTIONAL. Arguments of the script, each whole, blanks included.
# args:
#   - --port
#   - 8000

# OPTIONAL. Arguments of Python itself.
# python_args:
#   - -v

# OPTIONAL. The interactive shell instead of a script: remove main and args then.
# shell: true

# OPTIONAL. Variables of the environment; --env of compose and run comes before them.
# env:
#   PORT: 8000

# OPTIONAL. Another Python package than python-2.7, named under 'require' in meta/package.yaml.
# base: python-2.7:python
`,
  toBootCommand(set, shared) {
    return interpreterCommand(
      {
        base: { package: "python-2.7", set: "python" },
        family: /^python/,
        argsKey: "python_args",
        argsName: "PYTHON_ARGS",
        noArgs: "-O",
        shellMain: ["-"],
        mainAdvice: "write the path of the script, for example 'main: /hello.py'",
      },
      set,
      shared,
    );
  },
};
