import type { InterpreterSupport } from "../../application.ts";
import { type Server, serverSupport } from "./server.ts";

/**
 * Servers that need a few words to run in one process, in the foreground and without another account; seen on OSv.
 */
const SERVERS: Readonly<Record<string, Server>> = {
  memcached: { knows: /^memcached$/, required: [["-u", "root"]], accounts: true },
  tinyproxy: {
    knows: /^tinyproxy$/,
    required: [["-d"]],
    accounts: true,
    folders: [{ path: "/etc/tinyproxy" }, { path: "/usr/share/tinyproxy" }],
    writable: ["/var/log/tinyproxy", "/run"],
  },
  haproxy: {
    knows: /^haproxy$/,
    required: [["-db"]],
    accounts: true,
    writable: ["/run"],
    prefersLinux: "haproxy keeps more in thread-local storage than OSv's own linker has room for",
  },
  mariadb: {
    knows: /^(mariadbd|mysqld)$/,
    accounts: true,
    defaults: [
      "--no-defaults",
      "--user=root",
      "--datadir=/var/lib/mysql",
      "--lc-messages-dir=/usr/share/mysql",
      "--skip-grant-tables",
      "--bind-address=0.0.0.0",
      "--socket=",
      "--pid-file=/tmp/mariadbd.pid",
      "--tmpdir=/tmp",
      "--skip-innodb",
      "--default-storage-engine=MyISAM",
    ],
    folders: [
      {
        path: "/usr/share/mysql",
        rules: [
          {
            what: "messages in other languages, and scripts",
            matches: (path, isDirectory) =>
              isDirectory ? !["charsets", "english"].includes(path.split("/", 1)[0] ?? "") : !path.includes("/"),
          },
        ],
      },
    ],
    writable: ["/var/lib/mysql", "/run"],
    notes: ["Its data lies in memory, and nobody needs a password: it is for trying things out."],
  },
};

export const otherServers: readonly InterpreterSupport[] = Object.entries(SERVERS).map(([name, server]) =>
  serverSupport(name, server),
);
