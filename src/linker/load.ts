import type { Closure, LoadedObject, MissingLibrary } from "./closure.ts";
import type { Inspector } from "./inspect.ts";
import type { Candidate, Loading, SearchRules } from "./search.ts";

export interface Start {
  readonly program: Loading;
  readonly interpreter: Loading | undefined;
  /** What a running program has loaded, when `first` is what it opens. */
  readonly before: readonly Loading[];
  /** Whose needs are to be found: the program, or what it opens. */
  readonly first: Loading;
  readonly missing: readonly MissingLibrary[];
}

export interface LoadOptions {
  readonly inspector: Inspector;
  readonly rules: SearchRules;
  readonly supplied: ReadonlySet<string>;
}

/** The objects that `first` needs and that are not loaded yet, in the order of their loading, and what is missing. */
export function loadNeeds(start: Start, options: LoadOptions): Pick<Closure, "libraries" | "missing"> {
  const loader = new Loader(start, options);
  if (options.rules.order === "breadth") loader.inBreadth();
  else loader.inDepth();
  return { libraries: loader.libraries.map(toLoadedObject), missing: [...loader.missing.values()].map(toMissing) };
}

export function toLoadedObject({ name, path, realPath, how, through, neededBy, elf }: Loading): LoadedObject {
  return { name, path, realPath, how, through, neededBy: [...neededBy], elf };
}

interface Missing {
  readonly name: string;
  readonly neededBy: Set<string>;
  readonly refused: Map<string, string>;
}

function toMissing({ name, neededBy, refused }: Missing): MissingLibrary {
  return { name, neededBy: [...neededBy], refused: [...refused].map(([path, why]) => ({ path, why })) };
}

class Loader {
  readonly libraries: Loading[] = [];
  readonly missing = new Map<string, Missing>();
  readonly #start: Start;
  readonly #options: LoadOptions;
  readonly #byName = new Map<string, Loading>();
  readonly #byRealPath = new Map<string, Loading>();
  /** Of the program that opened something, which are not told again. */
  readonly #old = new Set<Loading>();
  /** As one of the libraries. */
  #interpreter: Loading | undefined;

  constructor(start: Start, options: LoadOptions) {
    this.#start = start;
    this.#options = options;
    for (const { name, neededBy, refused } of start.missing) {
      const files = new Map(refused.map(({ path, why }) => [path, why]));
      this.missing.set(name, { name, neededBy: new Set(neededBy), refused: files });
    }
    for (const object of [start.program, ...start.before, start.first]) {
      this.#old.add(object);
      this.#answersTo(object, object.name);
    }
    if (start.interpreter !== undefined) this.#answersTo(start.interpreter, start.interpreter.path);
  }

  inBreadth(): void {
    const queue = [this.#start.first];
    for (const object of queue) {
      for (const name of object.elf.needed) {
        const found = this.#need(name, object);
        if (found !== undefined) queue.push(found);
      }
    }
  }

  inDepth(): void {
    const stack = [{ object: this.#start.first, next: 0 }];
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const name = top.object.elf.needed[top.next++];
      const found = name === undefined ? undefined : this.#need(name, top.object);
      if (name === undefined) stack.pop();
      else if (found !== undefined) stack.push({ object: found, next: 0 });
    }
  }

  /** Returns the object when it is a new one. */
  #need(asked: string, asker: Loading): Loading | undefined {
    const { rules, supplied } = this.#options;
    if (supplied.has(asked)) return undefined;
    const name = rules.wanted(asked, asker);
    const { program, interpreter } = this.#start;
    const loaded = { program, interpreter, byName: this.#byName };
    const known = rules.loaded(name, loaded);
    if (known !== undefined) return this.#again(known, { name: asked, asker });
    const refused = new Map<string, string>();
    for (const candidate of rules.candidates(name, asker, loaded)) {
      const inspected = this.#options.inspector.at(candidate.path);
      if (inspected.kind === "nothing") continue;
      if (inspected.kind !== "elf") {
        refused.set(candidate.path, inspected.why);
        if (inspected.kind === "unreadable") continue;
        break;
      }
      const refusal = rules.refusal(inspected.elf, program.elf);
      if (refusal === undefined) return this.#take(inspected, { name, candidate, asker });
      refused.set(candidate.path, refusal.why);
      if (!refusal.goOn) break;
    }
    this.#miss(asked, asker, refused);
    return undefined;
  }

  #take(
    { realPath, elf }: Pick<Loading, "realPath" | "elf">,
    { name, candidate, asker }: { name: string; candidate: Candidate; asker: Loading },
  ): Loading | undefined {
    const known = this.#byRealPath.get(realPath);
    if (known !== undefined) {
      this.#answersTo(known, name);
      return this.#again(known, { name, asker });
    }
    const path = this.#options.rules.showsRealPath ? realPath : candidate.path;
    const object: Loading = {
      name,
      path,
      realPath,
      how: candidate.how,
      through: candidate.through,
      elf,
      neededBy: new Set([asker.path]),
      loader: asker,
      origin: path.slice(0, path.lastIndexOf("/")) || "/",
    };
    this.libraries.push(object);
    this.#answersTo(object, name);
    return object;
  }

  /** Asked for once more. The dynamic linker itself becomes one of the libraries when something asks for it by name. */
  #again(known: Loading, { name, asker }: { name: string; asker: Loading }): undefined {
    if (this.#old.has(known)) return;
    if (known === this.#start.interpreter && this.#interpreter === undefined) {
      this.#interpreter = { ...known, name, neededBy: new Set() };
      this.libraries.push(this.#interpreter);
    }
    (known === this.#start.interpreter ? this.#interpreter : known)?.neededBy.add(asker.path);
  }

  #miss(name: string, asker: Loading, refused: ReadonlyMap<string, string>): void {
    const missing = this.missing.get(name) ?? { name, neededBy: new Set(), refused: new Map() };
    this.missing.set(name, missing);
    missing.neededBy.add(asker.path);
    for (const [path, why] of refused) missing.refused.set(path, why);
  }

  #answersTo(object: Loading, asked: string): void {
    for (const name of this.#options.rules.names(object, asked)) {
      if (!this.#byName.has(name)) this.#byName.set(name, object);
    }
    if (!this.#byRealPath.has(object.realPath)) this.#byRealPath.set(object.realPath, object);
  }
}
