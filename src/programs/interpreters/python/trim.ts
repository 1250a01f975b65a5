import type { TrimRule } from "../survey.ts";

/** What of the standard library servers and tools do not import. */
export function libraryRules(cacheTag: string): TrimRule[] {
  return [
    {
      what: "Python's own tests",
      matches: (path) =>
        /^test$|^(unittest|ctypes|distutils|lib2to3|sqlite3|tkinter|idlelib|json)\/tests?$|^lib-dynload\/(_test|_ctypes_test|_xxtest|xxlimited)/.test(
          path,
        ),
    },
    { what: "files to build Python with", matches: (path) => /^config-[^/]*$|\.a$|^lib2to3$|\.exe$/.test(path) },
    {
      what: "Python's desktop and teaching programs",
      matches: (path) => /^(idlelib|tkinter|turtledemo|turtle\.py|pydoc_data)$|^lib-dynload\/_tkinter\./.test(path),
    },
    { what: "modules for NIS and sound devices", matches: (path) => /^lib-dynload\/(nis|ossaudiodev)\./.test(path) },
    { what: "the installer of pip", matches: (path) => /^ensurepip$/.test(path) },
    // Where packages lie inside the library: those that are imported are parts of their own.
    { what: "installed packages that are not imported", matches: (path) => /^(site|dist)-packages$/.test(path) },
    byteCodeRule(cacheTag),
  ];
}

/** What of a package is not for running it. */
export function packageRules(cacheTag: string): TrimRule[] {
  return [
    { what: "tests of packages", matches: (path, isDirectory) => isDirectory && /(^|\/)tests$/.test(path) },
    { what: "type stubs and sources of C code", matches: (path) => /\.(pyi|pyx|pxd|c|cpp|h|hpp)$/.test(path) },
    byteCodeRule(cacheTag),
  ];
}

/** What lies about in the folder of a project. */
export function projectRules(cacheTag: string): TrimRule[] {
  return [
    { what: "version control", matches: (path) => /(^|\/)\.(git|hg|svn)$/.test(path) },
    {
      what: "virtual environments and caches",
      matches: (path, isDirectory) =>
        isDirectory &&
        /(^|\/)(\.?venv|node_modules|\.tox|\.nox|\.mypy_cache|\.pytest_cache|\.ruff_cache|\.idea|\.vscode)$/.test(path),
    },
    byteCodeRule(cacheTag),
  ];
}

function byteCodeRule(cacheTag: string): TrimRule {
  return {
    what: "byte code of other versions",
    matches: (path, isDirectory) =>
      !isDirectory && path.endsWith(".pyc") && path.includes("__pycache__/") && !path.endsWith(`.${cacheTag}.pyc`),
  };
}
