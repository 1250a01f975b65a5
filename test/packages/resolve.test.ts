import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Requirement, resolveDependencies } from "../../src/packages/resolve.ts";
import { failureOf } from "./support.ts";

type Graph = Readonly<Record<string, readonly string[]>>;

function roots(...names: string[]): Requirement[] {
  return names.map((name) => ({ name, requiredBy: "this project" }));
}

function resolveNames(graph: Graph, ...names: string[]): Promise<string[]> {
  return resolveIn(graph, roots(...names));
}

async function resolveIn(graph: Graph, wanted: readonly Requirement[]): Promise<string[]> {
  const load = (name: string) => {
    const require = graph[name];
    return require === undefined ? undefined : { name, require };
  };
  const resolved = await resolveDependencies({ roots: wanted, load, available: () => Object.keys(graph) });
  return resolved.map(({ name }) => name);
}

describe("order", () => {
  test.each<[string, Graph, string[], string[]]>([
    ["nothing", {}, [], []],
    ["the roots in theirs", { a: [], b: [] }, ["b", "a"], ["b", "a"]],
    ["what is required first", { a: ["b", "c"], b: [], c: [] }, ["a"], ["b", "c", "a"]],
    ["depth first", { a: ["b", "c"], b: ["d"], c: [], d: [] }, ["a"], ["d", "b", "c", "a"]],
    [
      "osv.bootstrap before all when it stands first",
      { boot: [], a: ["b"], b: ["boot"] },
      ["boot", "a"],
      ["boot", "b", "a"],
    ],
    ["a root that another one has brought", { a: ["b"], b: [] }, ["a", "b"], ["b", "a"]],
    ["a root named twice", { a: [] }, ["a", "a"], ["a"]],
    ["a package that requires one twice", { a: ["b", "b"], b: [] }, ["a"], ["b", "a"]],
  ])("%s", async (_, graph, names, expected) => {
    expect(await resolveNames(graph, ...names)).toEqual(expected);
  });

  test("each package once, behind what it requires, in any graph without cycles", async () => {
    const edges = fc.array(fc.tuple(fc.nat(14), fc.nat(14)), { maxLength: 60 });
    await fc.assert(
      fc.asyncProperty(edges, fc.array(fc.nat(14), { maxLength: 5 }), async (pairs, wanted) => {
        const graph: Record<string, string[]> = Object.fromEntries(Array.from({ length: 15 }, (_, i) => [`p${i}`, []]));
        for (const [a, b] of pairs) if (a !== b) graph[`p${Math.max(a, b)}`]?.push(`p${Math.min(a, b)}`);
        const order = await resolveNames(graph, ...wanted.map((index) => `p${index}`));
        expect(new Set(order).size).toBe(order.length);
        for (const index of wanted) expect(order).toContain(`p${index}`);
        for (const name of order) {
          for (const required of graph[name] ?? []) {
            expect(order.indexOf(required)).toBeGreaterThanOrEqual(0);
            expect(order.indexOf(required)).toBeLessThan(order.indexOf(name));
          }
        }
      }),
    );
  });
});

describe("D8: dependencies", () => {
  test("D8: what two packages require is taken, and loaded, once", async () => {
    const graph: Graph = { app: ["left", "right"], left: ["base"], right: ["base"], base: [] };
    const loads: string[] = [];
    const load = (name: string) => {
      loads.push(name);
      return { name, require: graph[name] ?? [] };
    };
    const resolved = await resolveDependencies({ roots: roots("app", "base"), load });
    expect(resolved.map(({ name }) => name)).toEqual(["base", "left", "right", "app"]);
    expect(loads.sort()).toEqual(["app", "base", "left", "right"]);
  });

  test.each<[string, Graph, string]>([
    ["of a package with itself", { a: ["a"] }, "a → a"],
    ["of two", { a: ["b"], b: ["a"] }, "a → b → a"],
    ["that the root is not part of", { a: ["x", "b"], x: [], b: ["c"], c: ["d"], d: ["b"] }, "b → c → d → b"],
  ])("D8: a cycle %s is an error that shows it", async (_, graph, shown) => {
    const error = await failureOf(() => resolveNames(graph, "a"));
    expect(error.code).toBe("dependency-cycle");
    expect(error.message.endsWith(`: ${shown}`)).toBe(true);
  });

  test("D8: a chain of 10,000 packages is no deeper than one, and neither is a cycle of them", async () => {
    const count = 10_000;
    const chain = Object.fromEntries(
      Array.from({ length: count }, (_, i) => [`p${i}`, i + 1 < count ? [`p${i + 1}`] : []]),
    );
    const order = await resolveNames(chain, "p0");
    expect(order).toHaveLength(count);
    expect(order[0]).toBe(`p${count - 1}`);
    const error = await failureOf(() => resolveNames({ ...chain, [`p${count - 1}`]: ["p0"] }, "p0"));
    expect(error.message).toContain("p0 → p1 → ");
    expect(error.message).toMatch(/ → p9999 → p0$/);
    expect(error.message.length).toBeLessThan(500);
  });
});

describe("a package that is missing", () => {
  test("is named with who requires it and how to get it", async () => {
    const error = await failureOf(() => resolveNames({ app: ["lib"], lib: ["osv.gone"] }, "app"));
    expect(error.code).toBe("package-missing");
    expect(error.message).toContain("'osv.gone', which lib requires");
    expect(error.hint).toContain("capstan package pull osv.gone");
    expect(error.hint).toContain("capstan package import");
    expect(error.exitCode).toBe(66);
  });

  test("of a root: the words of the caller", async () => {
    const error = await failureOf(() => resolveIn({}, [{ name: "node", requiredBy: "the runtime node" }]));
    expect(error.message).toContain("'node', which the runtime node requires");
  });

  test("with a similar name in the store: asks whether that is meant", async () => {
    const error = await failureOf(() => resolveNames({ "osv.bootstrap": [] }, "osv.botstrap"));
    expect(error.hint).toContain("Did you mean 'osv.bootstrap'?");
  });
});
