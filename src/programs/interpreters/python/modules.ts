import { type FileSpace, type FoundFile, readWhole } from "../../../filesystems/file-space.ts";
import { MiB } from "../../../support/bytes.ts";
import { type Distribution, readDistributions } from "./distributions.ts";
import { type FoundModule, ModuleFinder } from "./find-module.ts";
import { importsOf, topOf } from "./imports.ts";

export interface ModuleScan {
  /** Of the user, in the folder of the script. */
  readonly local: readonly FoundModule[];
  /** Of installed packages. */
  readonly installed: readonly FoundModule[];
  /** Of the distributions that they came with, by folders of sys.path. */
  readonly distributions: ReadonlyMap<string, readonly Distribution[]>;
  /** Imported by the user's own files outside any condition, and found nowhere. */
  readonly missing: readonly string[];
  /** Every top-level name that is imported by what was read. */
  readonly names: ReadonlySet<string>;
}

export interface ScanRequest {
  /** Python sources to start from, in the user's space; all their imports count as the user's own. */
  readonly sources: readonly FoundFile[];
  /** Names that are imported all the same, such as behind `-m`. */
  readonly modules: readonly string[];
  /** Where the user's own modules are, in `userSpace`: the folder of the script. */
  readonly localFolder: string | undefined;
  readonly userSpace: FileSpace;
  readonly space: FileSpace;
  /** The standard library: the folder with os.py. */
  readonly library: string;
  readonly sites: readonly string[];
}

/**
 * Which modules Python files import, directly and through others: by reading their import statements. Installed packages
 * bring what their metadata says that they need, else what they import outside any condition: much of what they import in
 * conditions is for the case that it is there. What is imported by a name made at run time cannot be seen.
 */
export function scanModules(request: ScanRequest): ModuleScan {
  const scan = new Scan(request);
  for (const module of request.modules) scan.take(topOf(module), { isNeeded: true });
  for (const source of request.sources) scan.readUsers(source);
  return scan.finish();
}

class Scan {
  readonly #request: ScanRequest;
  readonly #standard: ReadonlySet<string>;
  readonly #own: ModuleFinder;
  readonly #others: ModuleFinder;
  readonly #seen = new Map<string, FoundModule | undefined>();
  readonly #local: FoundModule[] = [];
  readonly #installed: FoundModule[] = [];
  readonly #missing = new Set<string>();
  readonly #known = new Map<string, readonly Distribution[]>();
  readonly #taken = new Map<string, Set<Distribution>>();
  readonly #pending: (() => void)[] = [];

  constructor(request: ScanRequest) {
    this.#request = request;
    this.#standard = standardNames(request);
    this.#own = new ModuleFinder(request.userSpace, request.localFolder === undefined ? [] : [request.localFolder]);
    this.#others = new ModuleFinder(request.space, request.sites);
  }

  /** Of a name on sys.path. */
  take(name: string, { isNeeded }: { readonly isNeeded: boolean }): void {
    if (!this.#seen.has(name)) {
      const own = this.#own.find(name);
      const other = own === undefined && !this.#standard.has(name) ? this.#others.find(name) : undefined;
      this.#seen.set(name, own ?? other);
      if (own !== undefined) this.#takeOwn(own);
      if (other !== undefined) this.#takeInstalled(other);
    }
    if (isNeeded && this.#seen.get(name) === undefined && !this.#standard.has(name)) this.#missing.add(name);
  }

  readUsers(source: FoundFile): void {
    const { modules, needed } = importsOf(textOf(source));
    for (const module of modules) {
      if (!module.startsWith(".")) this.take(topOf(module), { isNeeded: needed.has(module) });
    }
  }

  finish(): ModuleScan {
    for (let work = this.#pending.shift(); work !== undefined; work = this.#pending.shift()) work();
    return {
      local: this.#local,
      installed: this.#installed,
      distributions: new Map([...this.#taken].map(([site, taken]) => [site, [...taken]])),
      missing: [...this.#missing],
      names: new Set(this.#seen.keys()),
    };
  }

  #takeOwn(module: FoundModule): void {
    this.#local.push(module);
    this.#pending.push(() => {
      for (const source of this.#own.sources(module)) this.readUsers(source);
    });
  }

  #takeInstalled(module: FoundModule): void {
    this.#installed.push(module);
    this.#pending.push(() => {
      const distributions = this.#distributionsOf(module);
      const requires = distributions.flatMap((one) => one.requires ?? []);
      for (const name of requires) this.#takeDistribution(name);
      const says = distributions.some((one) => one.requires !== undefined);
      for (const source of this.#others.sources(module)) this.#readOthers(source, says);
    });
  }

  /** The standard library's names are noted in any case: they tell whether there is an event loop. */
  #readOthers(source: FoundFile, onlyStandard: boolean): void {
    const { modules, needed } = importsOf(textOf(source));
    for (const module of modules) {
      const name = topOf(module);
      if (this.#standard.has(name) || (!onlyStandard && name !== "" && needed.has(module)))
        this.take(name, { isNeeded: false });
    }
  }

  #distributionsOf({ name, site }: FoundModule): Distribution[] {
    const found = this.#at(site).filter(({ modules }) => modules.includes(name));
    const taken = this.#taken.get(site) ?? new Set();
    for (const one of found) taken.add(one);
    this.#taken.set(site, taken);
    return found;
  }

  #takeDistribution(name: string): void {
    for (const site of this.#request.sites) {
      const found = this.#at(site).find((one) => one.name === name);
      if (found === undefined) continue;
      for (const module of found.modules) if (!NO_MODULES.test(module)) this.take(module, { isNeeded: false });
      return;
    }
  }

  #at(site: string): readonly Distribution[] {
    const known = this.#known.get(site) ?? readDistributions(site, this.#request.space);
    this.#known.set(site, known);
    return known;
  }
}

function textOf(source: FoundFile): string {
  return source.size > LARGEST_SOURCE ? "" : readWhole(source).toString("utf8");
}

function standardNames({ space, library }: ScanRequest): ReadonlySet<string> {
  const names = [...(space.list(library) ?? []), ...(space.list(`${library}/lib-dynload`) ?? [])];
  return new Set([...BUILT_IN, ...names.map((name) => name.split(".", 1)[0] ?? name)]);
}

const LARGEST_SOURCE = 4 * MiB;
/** Top-level folders of installed files that are no modules. */
const NO_MODULES = /^(__pycache__|bin|docs?|examples?|tests?)$/;

/** Modules within the interpreter (Modules/config.c), beside those whose names begin with "_", in some builds or all. */
const BUILT_IN =
  "__future__ __main__ _thread _io _collections _functools _socket _struct _weakref array atexit audioop binascii builtins cmath errno faulthandler fcntl gc grp itertools marshal math mmap nt posix pwd pyexpat resource select signal spwd sys syslog termios time unicodedata xxsubtype zlib".split(
    " ",
  );
