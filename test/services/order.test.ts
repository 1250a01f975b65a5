import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { inOrder, inReverse, withDependencies } from "../../src/services/order.ts";
import type { Service } from "../../src/services/services-file.ts";

function makeServices(edges: Readonly<Record<string, readonly string[]>>): Map<string, Service> {
  return new Map(
    Object.entries(edges).map(([name, needs]) => {
      const dependsOn = needs.map((service) => ({ service, condition: "service_started" }));
      return [name, { name, dependsOn } as unknown as Service];
    }),
  );
}

/** Each service needs some of those before it: no circles. */
const graphs = fc
  .array(fc.array(fc.nat(9), { maxLength: 4 }), { minLength: 1, maxLength: 10 })
  .map((lists) =>
    makeServices(
      Object.fromEntries(
        lists.map((list, at) => [`s${at}`, [...new Set(list)].filter((n) => n < at).map((n) => `s${n}`)]),
      ),
    ),
  );

describe("the order of services", () => {
  test("each comes after those that it needs, and the other way round before them", async () => {
    await fc.assert(
      fc.asyncProperty(graphs, async (services) => {
        const order: string[] = [];
        await inOrder([...services.values()], async ({ name }) => {
          await Promise.resolve();
          order.push(name);
        });
        const reverse: string[] = [];
        await inReverse([...services.values()], async ({ name }) => {
          reverse.push(name);
        });
        expect([...order].sort()).toEqual([...services.keys()].sort());
        expect([...reverse].sort()).toEqual([...services.keys()].sort());
        for (const { name, dependsOn } of services.values()) {
          for (const { service } of dependsOn) {
            expect(order.indexOf(service)).toBeLessThan(order.indexOf(name));
            expect(reverse.indexOf(service)).toBeGreaterThan(reverse.indexOf(name));
          }
        }
      }),
    );
  });

  test("does what is independent at the same time", async () => {
    const services = makeServices({ a: [], b: [], c: ["a"] });
    let running = 0;
    let most = 0;
    await inOrder([...services.values()], async () => {
      running++;
      most = Math.max(most, running);
      await new Promise((resolve) => setTimeout(resolve, 5));
      running--;
    });
    expect(most).toBe(2);
  });

  test("begins nothing after a failure, and throws the failure", async () => {
    const services = makeServices({ a: [], b: ["a"], c: ["b"] });
    const begun: string[] = [];
    const act = inOrder([...services.values()], async ({ name }) => {
      begun.push(name);
      if (name === "b") throw new Error("b broke");
    });
    await expect(act).rejects.toThrow("b broke");
    expect(begun).toEqual(["a", "b"]);
  });

  test("takes what a service needs with it", () => {
    const services = makeServices({ a: [], b: ["a"], c: ["b"], d: [] });
    expect([...withDependencies(services, ["b"])]).toEqual(["a", "b"]);
    expect([...withDependencies(services, [])]).toEqual(["a", "b", "c", "d"]);
  });
});
