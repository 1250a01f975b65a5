import { readFileSync } from "node:fs";
import type { ApplicationRequest, InterpreterSupport } from "../../application.ts";
import { type Server, serverSupport } from "./server.ts";

/** lighttpd: in the foreground, with its modules, and the settings and pages of the system unless the user names others. */
export const lighttpd: InterpreterSupport = serverSupport("lighttpd", server);

function server({ userArgs }: ApplicationRequest): Server {
  const isOwn = userArgs.some((word) => word.startsWith("-f"));
  return {
    knows: /^lighttpd$/,
    required: [["-D"], ...(isOwn ? [] : [["-f", SETTINGS]])],
    accounts: true,
    folders: [
      { path: "/usr/lib/lighttpd" },
      { path: "/usr/lib64/lighttpd" },
      ...(isOwn ? [] : [{ path: "/etc/lighttpd", edit: forOneProcess }, { path: "/var/www" }]),
    ],
    writable: ["/var/log/lighttpd", "/var/cache/lighttpd/uploads", "/run"],
    notes: isOwn
      ? []
      : ["Lines of lighttpd.conf that start programs or change the user are left out: OSv can do neither."],
  };
}

function forOneProcess(path: string, hostPath: string): string | undefined {
  if (path !== "lighttpd.conf") return undefined;
  return readFileSync(hostPath, "utf8")
    .replaceAll(/^[ \t]*include_shell[^\n]*create-mime[^\n]*$/gm, MIME_TYPES)
    .replaceAll(/^[ \t]*include_shell[^\n]*$/gm, "")
    .replaceAll(/^[ \t]*server\.(username|groupname)\b[^\n]*$/gm, "");
}

const SETTINGS = "/etc/lighttpd/lighttpd.conf";

/** IANA's names for what web pages consist of. The order matters: the first ending that fits counts. */
const MIME_TYPES = `mimetype.assign = (
${Object.entries({
  ".html": "text/html; charset=utf-8",
  ".htm": "text/html; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".mjs": "text/javascript; charset=utf-8",
  ".json": "application/json",
  ".txt": "text/plain; charset=utf-8",
  ".xml": "application/xml",
  ".svg": "image/svg+xml",
  ".png": "image/png",
  ".jpg": "image/jpeg",
  ".jpeg": "image/jpeg",
  ".gif": "image/gif",
  ".webp": "image/webp",
  ".ico": "image/vnd.microsoft.icon",
  ".woff2": "font/woff2",
  ".woff": "font/woff",
  ".pdf": "application/pdf",
  ".wasm": "application/wasm",
  ".mp4": "video/mp4",
  ".zip": "application/zip",
  ".gz": "application/gzip",
  "": "application/octet-stream",
})
  .map(([ending, type]) => `  "${ending}" => "${type}",`)
  .join("\n")}
)`;
