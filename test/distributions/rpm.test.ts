import { describe, expect, test } from "vitest";
import { openDistribution } from "../../src/distributions/distribution.ts";
import { programRunner, type RunProgram } from "../../src/distributions/run-program.ts";
import type { Sketch } from "../filesystems/trees.ts";
import { system } from "./spaces.ts";

/** Answers by the words of the command line; keeps what it was asked. */
function answering(answers: Readonly<Record<string, string>>): { readonly asked: string[]; readonly run: RunProgram } {
  const asked: string[] = [];
  return {
    asked,
    run: (program, args) => {
      const line = [program, ...args.filter((word) => !word.startsWith("%{"))].join(" ");
      asked.push(line);
      return answers[line];
    },
  };
}

const fedora = (more: Readonly<Record<string, Sketch>> = {}, name = "/") =>
  system({ "/usr/lib/sysimage/rpm/rpmdb.sqlite": "SQLite format 3", ...more }, name);

describe("on this machine, rpm is asked", () => {
  const { asked, run } = answering({
    "rpm -qf --qf -- /usr/lib64/libssl.so.3": "openssl-libs\t3.2.2-3.fc41\n",
    "rpm -qf --qf -- /nothing": "",
    "rpm -q --qf --whatprovides libz.so.1()(64bit)": "zlib-ng-compat\t2.2-1\n",
    "dnf -C -q repoquery --qf --whatprovides libfoo.so.1()(64bit)": "foo-libs\nfoo-libs\n",
    "dnf -C -q repoquery --qf --whatprovides libodd.so.1()(64bit)": "Error: no cache",
  });
  const distribution = openDistribution(fedora(), { runProgram: run });

  test("for owners, once for each file", () => {
    const owner = { name: "openssl-libs", version: "3.2.2-3.fc41" };
    expect(distribution?.ownerOf("/usr/lib64/libssl.so.3")).toEqual(owner);
    expect(distribution?.ownerOf("/usr/lib64/libssl.so.3")).toEqual(owner);
    expect(distribution?.ownerOf("/nothing")).toBeUndefined();
    expect(distribution?.ownerOf("/nothing")).toBeUndefined();
    expect(asked).toHaveLength(2);
  });

  test.each([
    ["libz.so.1", "zlib-ng-compat"],
    ["libfoo.so.1", "foo-libs"],
    ["libodd.so.1", undefined],
    ["libnone.so.1", undefined],
  ])("for who has %s: %s", (name, provider) => {
    expect(distribution?.providerOf(name)).toBe(provider);
  });
});

test.each([
  ["dnf install x", {}],
  ["zypper install x", { "/usr/bin/zypper": "elf" }],
])("%s", (command, more) => {
  expect(openDistribution(fedora(more), { runProgram: () => undefined })?.installCommand("x")).toBe(command);
});

test("another root is not asked for, nor is anything started without leave", () => {
  expect(openDistribution(fedora({}, "/srv/root"), { runProgram: () => "x\t1" })).toBeUndefined();
  expect(openDistribution(fedora())).toBeUndefined();
});

describe("programs", () => {
  const run = programRunner({ PATH: process.env.PATH, WORD: "there" });

  test("get their arguments as they are, and the environment", () => {
    expect(
      run("node", ["-e", "console.log(process.argv[1], process.env.WORD, process.env.LC_ALL)", "a b; $(id)"]),
    ).toBe("a b; $(id) there C\n");
  });

  test("that fail or are not there say nothing", () => {
    expect(run("node", ["-e", "console.log('x'); process.exit(1)"])).toBeUndefined();
    expect(run("no-program-of-this-name", [])).toBeUndefined();
  });
});
