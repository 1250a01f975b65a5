import { afterAll, expect, test } from "vitest";
import { ELF, partsOf, World } from "./world.ts";

const world = new World()
  .system({
    "usr/bin/ruby": "-> ruby3.1",
    "usr/bin/ruby3.1": ELF,
    "usr/lib/ruby/3.1.0/json.rb": "",
    "usr/lib/ruby/gems/3.1.0/doc/x": "12",
    "usr/lib/x86_64-linux-gnu/ruby/3.1.0/io.so": ELF,
    "usr/bin/perl": ELF,
    "usr/share/perl/5.36": "-> 5.36.0",
    "usr/share/perl/5.36.0/strict.pm": "",
    "usr/share/perl/5.36.0/Test/More.pm": "1",
    "usr/lib/x86_64-linux-gnu/perl/5.36/POSIX.pm": "",
    "usr/lib/x86_64-linux-gnu/perl-base/auto/POSIX/POSIX.so": ELF,
    "usr/share/perl5/LWP/UserAgent.pm": "use HTTP::Request;\nuse parent 'Base::Class';",
    "usr/share/perl5/HTTP/Request.pm": "",
    "usr/share/perl5/Base/Class.pm": "",
    "usr/share/perl5/Other/Module.pm": "123",
    "usr/bin/php8.2": ELF,
    "etc/php/8.2/cli/php.ini": "",
    "etc/php/8.2/cli/conf.d/10-pdo.ini": "-> /etc/php/8.2/mods-available/pdo.ini",
    "etc/php/8.2/cli/conf.d/10-opcache.ini": "-> /etc/php/8.2/mods-available/opcache.ini",
    "etc/php/8.2/mods-available/pdo.ini": "",
    "etc/php/8.2/mods-available/opcache.ini": "",
    "usr/lib/php/20220829/pdo.so": ELF,
    "usr/lib/php/20220829/opcache.so": ELF,
    "usr/lib/php/8.2/php.ini-development": "",
    "usr/share/zoneinfo/UTC": "",
    "usr/share/zoneinfo/right/UTC": "1",
    "usr/bin/lua5.3": ELF,
    "usr/bin/lua5.4": ELF,
    "usr/share/lua/5.4/socket.lua": "",
    "usr/lib/x86_64-linux-gnu/lua/5.4/socket/core.so": ELF,
    "usr/bin/tclsh8.6": ELF,
    "usr/share/tcltk/tcl8.6/init.tcl": "",
    "usr/share/tcltk/tcl8.6/msgs/de.msg": "1",
    "usr/share/tcltk/tcl8/8.5/msgcat.tm": "",
    "bin/dash": ELF,
    "bin/sh": "-> dash",
    "usr/bin/awk": ELF,
    "etc/ssl/certs/ca-certificates.crt": "",
  })
  .user({
    "a.rb": "require_relative 'lib/b'\nrequire 'json'",
    "lib/b.rb": "require_relative './c'\nFile.read('words.txt')",
    "lib/c.rb": "",
    "lib/unused.rb": "",
    "words.txt": "",
    "a.pl": "use strict;\nuse LWP::UserAgent;\nuse My::Own;\n",
    "My/Own.pm": "",
    "a.php": "<?php require __DIR__ . '/inc/x.php'; include 'vendor';",
    "inc/x.php": '<?php include "../outside.php";',
    "vendor/autoload.php": "",
    "a.lua": 'local x = require "deep.mod"\nlocal y = require("folder")',
    "deep/mod.lua": "",
    "folder/init.lua": "",
    "a.tcl": 'source "b.tcl"',
    "b.tcl": "",
    "a.sh": '. "./b.sh"',
    "b.sh": "",
    "a.awk": "#!/usr/bin/awk -f\n",
  });
afterAll(() => world.remove());

const CERTIFICATES = "file /etc/ssl/certs/ca-certificates.crt";

test.each<
  [path: string, executable: string, args: readonly string[], parts: readonly string[], plugins: readonly string[]]
>([
  [
    "a.rb",
    "/usr/bin/ruby3.1",
    ["/app/a.rb"],
    [
      ...["folder /usr/lib/x86_64-linux-gnu/ruby", "folder /usr/lib/ruby", CERTIFICATES],
      ...["lib/b.rb", "lib/c.rb", "words.txt", "a.rb"].map((path) => `file /app/${path} < ~/${path}`),
    ],
    ["/usr/lib/x86_64-linux-gnu/ruby/3.1.0/io.so"],
  ],
  [
    "a.pl",
    "/usr/bin/perl",
    ["/app/a.pl"],
    [
      ...[
        "folder /usr/share/perl/5.36",
        "folder /usr/lib/x86_64-linux-gnu/perl/5.36",
        "folder /usr/lib/x86_64-linux-gnu/perl-base",
      ],
      ...["folder /usr/share/perl5", CERTIFICATES, "file /app/My/Own.pm < ~/My/Own.pm", "file /app/a.pl < ~/a.pl"],
    ],
    ["/usr/lib/x86_64-linux-gnu/perl-base/auto/POSIX/POSIX.so"],
  ],
  [
    "a.php",
    "/usr/bin/php8.2",
    ["/app/a.php"],
    [
      ...[
        "folder /etc/php/8.2/cli",
        "file /etc/php/8.2/mods-available/pdo.ini",
        "folder /usr/lib/php/20220829",
        "folder /usr/share/zoneinfo",
      ],
      ...[
        CERTIFICATES,
        "file /app/inc/x.php < ~/inc/x.php",
        "folder /app/vendor < ~/vendor",
        "file /app/a.php < ~/a.php",
      ],
    ],
    ["/usr/lib/php/20220829/pdo.so"],
  ],
  [
    "a.lua",
    "/usr/bin/lua5.4",
    ["/app/a.lua"],
    [
      ...["folder /usr/share/lua/5.4", "folder /usr/lib/x86_64-linux-gnu/lua/5.4"],
      ...[
        "file /app/folder/init.lua < ~/folder/init.lua",
        "file /app/deep/mod.lua < ~/deep/mod.lua",
        "file /app/a.lua < ~/a.lua",
      ],
    ],
    ["/usr/lib/x86_64-linux-gnu/lua/5.4/socket/core.so"],
  ],
  [
    "a.tcl",
    "/usr/bin/tclsh8.6",
    ["/app/a.tcl"],
    [
      "folder /usr/share/tcltk/tcl8.6",
      "folder /usr/share/tcltk/tcl8",
      "file /app/b.tcl < ~/b.tcl",
      "file /app/a.tcl < ~/a.tcl",
    ],
    [],
  ],
  ["a.sh", "/bin/dash", ["/app/a.sh"], ["file /app/b.sh < ~/b.sh", "file /app/a.sh < ~/a.sh"], []],
  ["a.awk", "/usr/bin/awk", ["-f", "/app/a.awk"], ["file /app/a.awk < ~/a.awk"], []],
])("%s", async (path, executable, args, parts, plugins) => {
  const application = await world.application(path);
  expect(partsOf(application, world)).toEqual(parts);
  expect(application).toMatchObject({ executable: { source: executable, target: executable }, args, plugins });
});

test.each<[path: string, env: object]>([
  ["a.lua", { LUA_PATH: "/app/?.lua;/app/?/init.lua;;" }],
  ["a.tcl", { TCL_LIBRARY: "/usr/share/tcltk/tcl8.6" }],
  ["a.rb", { LANG: "C.UTF-8", SSL_CERT_FILE: "/etc/ssl/certs/ca-certificates.crt" }],
  ["a.awk", {}],
])("the environment of %s", async (path, env) => {
  expect(Object.fromEntries((await world.application(path)).env)).toEqual(env);
});

test.each<[path: string, trimmed: readonly object[]]>([
  ["a.rb", [{ what: "documentation of gems", files: 1, bytes: 2 }]],
  [
    "a.pl",
    [
      { what: "test frameworks", files: 1, bytes: 1 },
      { what: "installed modules that are not used", files: 1, bytes: 3 },
    ],
  ],
  ["a.php", [{ what: "time zones in other forms", files: 1, bytes: 1 }]],
  ["a.tcl", [{ what: "messages in other languages", files: 1, bytes: 1 }]],
])("what %s goes without", async (path, trimmed) => {
  expect((await world.application(path)).trimmed).toEqual(trimmed);
  expect((await world.application(path, { trim: false })).trimmed).toEqual([]);
});

test("what harms PHP stays out even when nothing is trimmed", async () => {
  const { parts } = await world.application("a.php", { trim: false });
  const extensions = parts.find(({ target }) => target === "/usr/lib/php/20220829");
  const skip = extensions?.kind === "folder" ? extensions.skip : undefined;
  expect([skip?.("opcache.so", false), skip?.("pdo.so", false)]).toEqual([true, false]);
});

test.each([
  ["a.rb", true],
  ["a.php", true],
  ["a.lua", false],
  ["a.pl", false],
])("%s is better off on the Linux loader: %s", async (path, isBetter) => {
  expect((await world.application(path)).prefersLinux !== undefined).toBe(isBetter);
});

test("a shell comes with a warning", async () => {
  expect((await world.application("a.sh")).notes).toEqual([expect.stringMatching(/cannot start other programs/)]);
});

test("an interpreter that is run itself takes its library along, and no script", async () => {
  const application = await world.application("/usr/bin/lua5.4", { userArgs: ["-e", "print(1)"] });
  expect(application.args).toEqual([]);
  expect(partsOf(application, world)).toEqual([
    "folder /usr/share/lua/5.4",
    "folder /usr/lib/x86_64-linux-gnu/lua/5.4",
  ]);
});
