import type { InterpreterSupport } from "../application.ts";
import { APP_FOLDER } from "./places.ts";
import { describeScript, multiarchFolders, prefixOf, versionIn } from "./scripted.ts";

/** Lua: one program with its library inside, and the modules that the system has. */
export const lua: InterpreterSupport = {
  name: "lua",
  knows: (executable) => /^lua(jit)?[\d.-]*$/.test(executable),
  describe: (request, interpreter) => {
    const { space } = request;
    const prefix = prefixOf(interpreter, space);
    const version = versionIn(interpreter, space)?.split(".").slice(0, 2).join(".") ?? "5.4";
    const interfaceVersion = version.startsWith("2.") ? "5.1" : version;
    const parents = [`${prefix}/share`, "/usr/local/share", "/usr/local/lib", ...multiarchFolders(prefix, space)];
    return describeScript(request, interpreter, {
      libraries: [...new Set(parents)].map((parent) => ({ path: `${parent}/lua/${interfaceVersion}` })),
      neighbours: { endings: [".lua", "/init.lua"], names: moduleFiles },
      // Lua looks for modules in the folder where it is started, which is the image's root. ";;" stands for its own path.
      env: [["LUA_PATH", `${APP_FOLDER}/?.lua;${APP_FOLDER}/?/init.lua;;`]],
    });
  },
};

/** "a/b" for `require "a.b"`. */
function moduleFiles(source: string): string[] {
  return [...source.matchAll(/\brequire\s*\(?\s*["']([\w.-]+)["']/g)].map(([, name = ""]) => name.replaceAll(".", "/"));
}
