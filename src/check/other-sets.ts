import { bootPrograms } from "./boot-programs.ts";
import type { Finding } from "./finding.ts";
import type { ImageInCheck } from "./image.ts";
import { listed } from "./phrases.ts";
import type { Rule } from "./rules/index.ts";

/** More are not looked at: no person writes as many. */
const MOST_SETS = 50;

/**
 * What the rules find for the configuration sets that the boot command does not run: warnings at most, since the image
 * boots without them. What `known` tells is left out, and what several sets have in common is said once.
 * The programs of the sets count as started from then on.
 */
export function checkOtherSets(
  image: ImageInCheck,
  rules: readonly Rule[],
  known: readonly Finding[],
): readonly Finding[] {
  const told = new Set(known.map(keyOf));
  const found = new Map<string, { readonly finding: Finding; readonly sets: string[] }>();
  for (const { name, path } of otherSets(image)) {
    const commandLine = `runscript ${path};`;
    const set = {
      ...image,
      commandLine,
      boot: bootPrograms(image.space, commandLine),
      started: [],
      refused: new Set<string>(),
    };
    const findings = new Map(rules.flatMap((rule) => [...rule(set)]).map((finding) => [keyOf(finding), finding]));
    for (const [key, finding] of findings) {
      // An empty set is nobody's mistake, and the run may give the program of one as a variable.
      if (told.has(key) || finding.code === "no-boot-command") continue;
      const before = found.get(key);
      if (before === undefined) found.set(key, { finding, sets: [name] });
      else before.sets.push(name);
    }
    image.started.push(...set.started);
    for (const refused of set.refused) image.refused.add(refused);
  }
  return [...found.values()].map(({ finding, sets }) => ofSets(finding, sets));
}

function keyOf({ code, path, problem }: Finding): string {
  return JSON.stringify([code, path, problem]);
}

function otherSets({ space, boot }: ImageInCheck): readonly { readonly name: string; readonly path: string }[] {
  const run = new Set(boot.scripts.map((path) => space.find(path)?.realPath));
  return (space.list("/run") ?? [])
    .filter((name) => SET_NAME.test(name))
    .map((name) => ({ name, path: `/run/${name}` }))
    .filter(({ path }) => {
      const file = space.find(path);
      return file?.type === "file" && !run.has(file.realPath);
    })
    .slice(0, MOST_SETS);
}

/** Not what servers leave in /run: redis.pid, docker.sock. */
const SET_NAME = /^(?!.*\.(?:pid|sock|lock)$)[\w.+-]+$/;

const MOST_NAMED = 3;

function ofSets(finding: Finding, sets: readonly string[]): Finding {
  const flags = sets.slice(0, MOST_NAMED).map((name) => `--boot ${name}`);
  const names = sets.length > MOST_NAMED ? [...flags, `${sets.length - MOST_NAMED} more`] : flags;
  return {
    ...finding,
    severity: finding.severity === "note" ? "note" : "warning",
    problem: `With ${listed(names, "or")} only: ${finding.problem}`,
  };
}
