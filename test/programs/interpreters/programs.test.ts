import { afterAll, describe, expect, test } from "vitest";
import { testUnless } from "../../support/machine.ts";
import { ELF, partsOf, World } from "./world.ts";

const ACCOUNTS = ["bytes /etc/passwd", "bytes /etc/group"];

const world = new World()
  .system({
    "usr/bin/tool": ELF,
    "srv/mine": ELF,
    "usr/bin/redis-server": "-> redis-check-rdb",
    "usr/bin/redis-check-rdb": ELF,
    "usr/bin/memcached": ELF,
    "usr/sbin/haproxy": ELF,
    "usr/sbin/mosquitto": ELF,
    "usr/sbin/nginx": ELF,
    "etc/nginx/nginx.conf": "user www-data;\nhttp { include sites/*; }\n",
    "etc/nginx/sites/default": "server {\n\tlisten 80 default_server;\n\tlisten [::]:80 default_server;\n}\n",
    "etc/nginx/modules-enabled/50.conf": "-> /usr/share/nginx/modules-available/echo.conf",
    "usr/share/nginx/modules-available/echo.conf": "",
    "usr/share/nginx/modules": "-> ../../lib/nginx/modules",
    "usr/lib/nginx/modules/echo.so": ELF,
    "var/www/html/index.html": "",
    "usr/sbin/lighttpd": ELF,
    "usr/lib/lighttpd/mod_status.so": ELF,
    "etc/lighttpd/lighttpd.conf":
      'server.username = "www-data"\nserver.port = 80\ninclude_shell "/usr/share/lighttpd/use-ipv6.pl " + server.port\ninclude_shell "/usr/share/lighttpd/create-mime.conf.pl"\ninclude "conf-enabled/*.conf"\n',
  })
  .user({
    program: ELF,
    "my.conf": "daemon off;\nmaster_process  off;\nuser root;\n",
    "half.conf": "events {}\n  daemon off;\n",
    "cache.conf": "port 7\nprotected-mode yes\n",
    "broker.conf": "listener 1884\nuser mosquitto\nlog_dest stdout",
  });
afterAll(() => world.remove());

test.each<[path: string, name: string, target: string]>([
  ["program", "program", "/program"],
  ["/usr/bin/tool", "tool", "/usr/bin/tool"],
  ["/srv/mine", "mine", "/mine"],
])("%s lands at", async (path, name, target) => {
  const application = await world.application(path);
  expect(application).toMatchObject({ name, executable: { target }, args: [], parts: [], notes: [] });
});

describe("servers serve", () => {
  test.each<[path: string, userArgs: readonly string[], args: readonly string[]]>([
    ["/usr/bin/redis-server", [], ["--protected-mode", "no", "--save", ""]],
    ["/usr/bin/redis-server", ["--port", "7"], ["--protected-mode", "no", "--save", ""]],
    ["/usr/bin/redis-server", ["--save", "900 1", "--protected-mode", "yes"], []],
    ["/usr/bin/redis-server", ["--version"], []],
    ["/usr/bin/redis-server", ["./cache.conf", "--port", "7"], []],
    ["/usr/bin/redis-check-rdb", [], []],
    ["/usr/bin/memcached", [], ["-u", "root"]],
    ["/usr/bin/memcached", ["-m", "32"], ["-u", "root"]],
    ["/usr/bin/memcached", ["-unobody"], []],
    ["/usr/sbin/haproxy", ["-f", "x"], ["-db"]],
    ["/usr/sbin/haproxy", ["-db"], []],
    ["/usr/sbin/nginx", [], ["-g", "daemon off; master_process off;"]],
    ["/usr/sbin/nginx", ["-c", "./my.conf"], ["-p", "/"]],
    ["/usr/sbin/nginx", ["-p", "/srv", "-c", "./my.conf"], []],
    ["/usr/sbin/nginx", ["-c", "/etc/nginx/own.conf"], ["-g", "daemon off; master_process off; user root;"]],
    ["/usr/sbin/nginx", ["-c", "./half.conf"], ["-p", "/", "-g", "master_process off; user root;"]],
    ["/usr/sbin/nginx", ["-g", "daemon off;"], []],
    ["/usr/sbin/lighttpd", [], ["-D", "-f", "/etc/lighttpd/lighttpd.conf"]],
    ["/usr/sbin/lighttpd", ["-f", "./my.conf"], ["-D"]],
  ])("%s %j", async (path, userArgs, args) => {
    expect((await world.application(path, { userArgs })).args).toEqual(args);
  });

  test("nginx takes its settings, modules and pages along, without what OSv cannot", async () => {
    const application = await world.application("/usr/sbin/nginx");
    expect(partsOf(application, world)).toEqual([
      ...ACCOUNTS,
      ...["folder /etc/nginx", "file /usr/share/nginx/modules-available/echo.conf", "folder /usr/share/nginx"],
      ...["folder /usr/lib/nginx/modules", "folder /var/www"],
    ]);
    expect(application.plugins).toEqual(["/usr/lib/nginx/modules/echo.so"]);
    expect(application.writable).toContain("/var/log/nginx");
    const settings = application.parts.find(({ target }) => target === "/etc/nginx");
    const replace = (path: string) =>
      settings?.kind === "folder" && settings.replace?.(path, `${world.root}/etc/nginx/${path}`)?.toString();
    expect(replace("sites/default")).toBe("server {\n\tlisten 80 default_server;\n\n}\n");
    expect(replace("nginx.conf")).toBeUndefined();
  });

  test("nginx with settings of the user's own takes them as they are", async () => {
    const application = await world.application("/usr/sbin/nginx", { userArgs: ["-c", "./my.conf"] });
    expect(partsOf(application, world)).toContain("file /my.conf < ~/my.conf");
    expect(partsOf(application, world)).not.toContain("folder /var/www");
    expect(application.notes).toEqual([]);
  });

  test("settings for Redis say what OSv needs where they say nothing", async () => {
    const { parts } = await world.application("/usr/bin/redis-server", { userArgs: ["cache.conf"] });
    const settings = parts.filter(({ target }) => target === "/cache.conf");
    expect(settings.map((part) => part.kind === "bytes" && part.bytes.toString())).toEqual([
      'save ""\nport 7\nprotected-mode yes\n',
    ]);
  });

  test.each<[userArgs: readonly string[], target: string, settings: RegExp]>([
    [[], "/etc/mosquitto/mosquitto.conf", /^listener 1883 0\.0\.0\.0\n(.*\n)*user root\n$/],
    [["-c", "./broker.conf"], "/broker.conf", /^listener 1884\n\nlog_dest stdout\nuser root\n$/],
    [["--config-file", "broker.conf"], "/broker.conf", /^listener 1884\n\nlog_dest stdout\nuser root\n$/],
  ])("mosquitto %j stays root", async (userArgs, target, settings) => {
    const { parts, args } = await world.application("/usr/sbin/mosquitto", { userArgs });
    const found = parts.filter((part) => part.target === target);
    expect(found.map((part) => part.kind === "bytes" && part.bytes.toString())).toEqual([
      expect.stringMatching(settings),
    ]);
    expect([...args, ...userArgs].filter((word) => word === "-c" || word === "--config-file")).toHaveLength(1);
  });

  test("lighttpd's settings start no programs", async () => {
    const { parts } = await world.application("/usr/sbin/lighttpd");
    const settings = parts.find(({ target }) => target === "/etc/lighttpd");
    const replaced =
      settings?.kind === "folder" &&
      settings.replace?.("lighttpd.conf", `${world.root}/etc/lighttpd/lighttpd.conf`)?.toString();
    expect(replaced).toMatch(
      /^\nserver\.port = 80\n\nmimetype\.assign = \(\n {2}"\.html" => [\s\S]*\n\)\ninclude "conf-enabled\/\*\.conf"\n$/,
    );
  });
});

describe("files that the arguments name", () => {
  const own = new World()
    .system({ "usr/bin/tool": ELF, "usr/share/a/b": "" })
    .user({ "conf/x": "", "site/index.html": "", "bare.conf": "" });
  afterAll(() => own.remove());
  test.each<[word: string, part: string | undefined]>([
    ["./conf/x", "file /conf/x < ~/conf/x"],
    ["conf/x", "file /conf/x < ~/conf/x"],
    ["conf/../conf/x", "file /conf/x < ~/conf/x"],
    ["--config=./conf/x", "file /conf/x < ~/conf/x"],
    ["-c=conf/x", "file /conf/x < ~/conf/x"],
    ["bare.conf", "file /bare.conf < ~/bare.conf"],
    ["--config=bare.conf", "file /bare.conf < ~/bare.conf"],
    ["site", undefined],
    ["gone.conf", undefined],
    ["site/", "folder /site < ~/site"],
    ["./gone/x", undefined],
    ["/", undefined],
    ["/dev/null", undefined],
    ["/proc/self/maps", undefined],
    ["/usr", undefined],
    ["/usr/share", undefined],
    ["http://x/y", undefined],
    ["", undefined],
    ["a\0/b", undefined],
  ])("%j", async (word, part) => {
    const application = await own.application("/usr/bin/tool", { userArgs: [word] });
    expect(partsOf(application, own)).toEqual(part === undefined ? [] : [part]);
    expect(application.notes).toEqual([]);
  });

  test("the folder that the program starts in does not go in", async () => {
    const application = await own.application("/usr/bin/tool", { userArgs: ["./"] });
    expect(application).toMatchObject({ parts: [], notes: [expect.stringMatching(/mixed with those of the system/)] });
  });

  testUnless(own.home.startsWith("/tmp/") ? undefined : "temporary files lie elsewhere")(
    "what lies in /tmp is told",
    async () => {
      const application = await own.application("/usr/bin/tool", { userArgs: [`${own.home}/conf/x`] });
      expect(application).toMatchObject({ parts: [], notes: [expect.stringMatching(/\/tmp is memory/)] });
    },
  );

  test("the folder of all the user's files does not go in", async () => {
    const application = await own.application("/usr/bin/tool", {
      userArgs: ["../home/../home/."],
      env: { HOME: own.home },
      cwd: own.sandbox.path("home"),
    });
    expect(application).toMatchObject({ parts: [], notes: [expect.stringMatching(/all of your files/)] });
  });
});
