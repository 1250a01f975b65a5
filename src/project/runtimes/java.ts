import type { YamlMap } from "../yaml-file.ts";
import {
  type Binding,
  baseOr,
  bindingsOf,
  listBinding,
  type Runtime,
  type SharedSettings,
  textBinding,
} from "./runtime.ts";

const ADVICE = "write the full name of the class or the path of the .jar, for example 'main: org.example.Hello'";

/** A class or a .jar for the Java machine. */
export const java: Runtime = {
  name: "java",
  title: "Run a Java application",
  dependencies: ["openjdk8-zulu-compact1"],
  keys: ["main", "args", "classpath", "jvm_args", "xms", "xmx"],
  template: `
# REQUIRED. Full name of the main class, or path of a .jar.
# Example: main: org.example.Hello
main:

# OPTIONAL. Arguments of the application, each whole, blanks included.
# args:
#   - --port
#   - 8000

# OPTIONAL. Where classes are looked for; the folder of the project ("/") when left out.
# classpath:
#   - /
#   - /lib/library.jar

# OPTIONAL. Initial and greatest size of the heap.
# xms: 128m
# xmx: 512m

# OPTIONAL. Arguments of the Java machine itself.
# jvm_args:
#   - -Djava.net.preferIPv4Stack=true

# OPTIONAL. Variables of the environment; --env of compose and run comes before them.
# env:
#   PORT: 8000

# OPTIONAL. Another Java package than openjdk8-zulu-compact1, named under 'require' in meta/package.yaml.
# base: openjdk8-zulu-full:java
`,
  toBootCommand(set, shared) {
    const main =
      shared.base === undefined ? set.required("main", ADVICE, shared.checkWord) : set.string("main", shared.checkWord);
    const args = set.strings("args", shared.checkWord);
    return {
      run: baseOr(shared, set, { package: "openjdk8-zulu-compact1", set: "java" }),
      bindings: bindingsOf(shared, [
        textBinding("XMS", "xms", set.string("xms", shared.checkWord)),
        textBinding("XMX", "xmx", set.string("xmx", shared.checkWord)),
        classpath(set, shared),
        jvmArgs(set, shared, main),
        textBinding("MAIN", "main", main),
        listBinding("ARGS", "args", args),
      ]),
    };
  },
};

function classpath(set: YamlMap, shared: SharedSettings): Binding | undefined {
  const paths = set.strings("classpath", shared.checkWord);
  if (paths.length > 0) return { name: "CLASSPATH", words: [paths.join(":")], key: "classpath" };
  return isFamiliar(shared) ? { name: "CLASSPATH", words: ["/"], key: undefined } : undefined;
}

/** An unset variable would reach java as an empty argument, so a property that nobody reads stands in for none. */
function jvmArgs(set: YamlMap, shared: SharedSettings, main: string | undefined): Binding | undefined {
  const words = set.strings("jvm_args", shared.checkWord);
  const jar = main?.endsWith(".jar") === true && !words.includes("-jar") && isFamiliar(shared);
  if (jar) return { name: "JVM_ARGS", words: [...words, "-jar"], key: words.length > 0 ? "jvm_args" : "main" };
  if (words.length > 0) return { name: "JVM_ARGS", words, key: "jvm_args" };
  return isFamiliar(shared) ? { name: "JVM_ARGS", words: ["-Dx=y"], key: undefined } : undefined;
}

/** Whether the base takes the settings of the Java packages, and so their defaults. */
function isFamiliar(shared: SharedSettings): boolean {
  return shared.base === undefined || /^openjdk/.test(shared.base.package);
}
