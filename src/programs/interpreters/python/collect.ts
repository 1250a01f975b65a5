import { join, posix } from "node:path";
import type { FileSpace } from "../../../filesystems/file-space.ts";
import type { Context } from "../../../support/context.ts";
import { isErrno } from "../../../support/errors.ts";
import type { ApplicationRequest, Part, PartRole, Trimmed } from "../../application.ts";
import { userSpace } from "../places.ts";
import { joinTrimmed, surveyFolder, type TrimRule } from "../survey.ts";
import { byteCodeOf, byteCodePath, readWithoutTimes } from "./byte-code.ts";
import { compileSources, type SourceToCompile } from "./compile.ts";
import type { PythonLayout } from "./layout.ts";

export interface PythonFolder {
  readonly sourceSpace: "system" | "user";
  readonly source: string;
  readonly target: string;
  readonly role: PartRole;
  readonly neededBy: string;
  readonly rules: readonly TrimRule[];
}

/** Gathers the folders and files with Python in them, and sees to their byte code. */
export class PythonParts {
  readonly parts: Part[] = [];
  /** Shared objects, as paths of the space. */
  readonly objects: string[] = [];
  readonly #request: ApplicationRequest;
  readonly #layout: PythonLayout;
  readonly #trimmed: (readonly Trimmed[])[] = [];
  readonly #uncompiled: SourceToCompile[] = [];

  constructor(request: ApplicationRequest, layout: PythonLayout) {
    this.#request = request;
    this.#layout = layout;
  }

  get trimmed(): Trimmed[] {
    return joinTrimmed(this.#trimmed);
  }

  folder({ source, ...folder }: PythonFolder): void {
    const space = this.#space(folder.sourceSpace);
    const rules = this.#request.trim ? folder.rules : [];
    const survey = surveyFolder({ ...folder, space, folder: source, rules });
    if (survey === undefined) return;
    const { fresh, missing } = byteCodeOf(survey.files, { space, folder: source, cacheTag: this.#layout.cacheTag });
    const replace = (path: string, hostPath: string) => (fresh.has(path) ? readWithoutTimes(hostPath) : undefined);
    this.parts.push({ ...survey.folder, replace }, ...survey.outside);
    this.#trimmed.push(survey.trimmed);
    if (folder.sourceSpace === "system") this.objects.push(...survey.objects);
    for (const path of missing) this.#compileLater(space, `${source}/${path}`, `${folder.target}/${path}`);
  }

  file({ source, ...file }: Omit<PythonFolder, "rules">): void {
    const space = this.#space(file.sourceSpace);
    this.parts.push({ ...file, kind: "file", source });
    if (source.endsWith(".so") && file.sourceSpace === "system") this.objects.push(source);
    if (!source.endsWith(".py")) return;
    const { cacheTag } = this.#layout;
    const [folder, name] = [posix.dirname(source), posix.basename(source)];
    const { fresh } = byteCodeOf([name, byteCodePath(name, cacheTag)], { space, folder, cacheTag });
    const [cached] = fresh;
    const hostPath = cached === undefined ? undefined : space.find(`${folder}/${cached}`)?.hostPath;
    if (hostPath === undefined) this.#compileLater(space, source, file.target);
    else {
      const target = byteCodePath(file.target, cacheTag);
      this.parts.push({ ...file, kind: "bytes", target, bytes: readWithoutTimes(hostPath), mode: 0o644 });
    }
  }

  /** Adds byte code for the sources that have none. The sentence says what it could not be made for. */
  async compile({ signal }: Pick<Context, "signal">): Promise<string | undefined> {
    const compiled = await this.#compiled(signal);
    for (const [target, source] of compiled) {
      const place = byteCodePath(target, this.#layout.cacheTag);
      this.parts.push({
        kind: "file",
        target: place,
        source,
        sourceSpace: "user",
        role: "generated",
        neededBy: target,
      });
    }
    const left = this.#uncompiled.length - compiled.size;
    if (left === 0) return undefined;
    const files = left === 1 ? "One Python file has" : `${left} Python files have`;
    return `${files} no byte code that can be used: Python compiles what it imports of them at each start.`;
  }

  async #compiled(signal: AbortSignal): Promise<ReadonlyMap<string, string>> {
    const { space, isThisMachine, cacheFolder } = this.#request;
    const interpreter = space.find(this.#layout.executable)?.hostPath;
    if (!isThisMachine || interpreter === undefined || this.#uncompiled.length === 0) return new Map();
    try {
      return await compileSources({
        interpreter,
        cacheFolder: join(cacheFolder, "python"),
        sources: this.#uncompiled,
        signal,
      });
    } catch (error) {
      // A cache that cannot be written: the image starts more slowly, and is none the worse otherwise.
      if (isErrno(error, "EACCES", "EROFS", "ENOSPC", "EPERM", "ENOENT")) return new Map();
      throw error;
    }
  }

  #compileLater(space: FileSpace, source: string, target: string): void {
    const hostPath = space.find(source)?.hostPath;
    if (hostPath !== undefined) this.#uncompiled.push({ hostPath, target });
  }

  #space(sourceSpace: "system" | "user"): FileSpace {
    return sourceSpace === "system" ? this.#request.space : userSpace;
  }
}
