import type { InterpreterSupport } from "../application.ts";
import { describeScript } from "./scripted.ts";

/** Shells: they start, and everything that is built in works. */
export const shell: InterpreterSupport = {
  name: "shell",
  knows: (executable) => /^(ba|da|a|k|mk|z)?sh(-static)?[\d.]*$/.test(executable),
  describe: (request, interpreter) =>
    describeScript(request, interpreter, {
      libraries: [],
      neighbours: { endings: [".sh"] },
      notes: [
        "A shell on OSv cannot start other programs, nor pipes and subshells: there is one process. What is built into the shell works. Better start the program itself that the script is for.",
      ],
    }),
};
