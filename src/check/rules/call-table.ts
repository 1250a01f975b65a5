/** Functions that a kernel offers and that do not do what programs ask of them. */
export interface CallTopic {
  readonly calls: readonly string[];
  readonly severity: "warning" | "note";
  /** What happens, to go on with after "the program calls X: ". */
  readonly what: string;
  /** One sentence. */
  readonly advice: string;
  /** Not told of programs that start other processes, of which more is said. */
  readonly impliedByProcesses?: true;
}

/** All of them fail: OSv is one process (runtime.cc, libc/libc.cc, libc/process/execve.cc), and Linux's system calls for them are missing. */
export const PROCESS_CALLS: ReadonlySet<string> = new Set([
  ...["fork", "vfork", "__fork", "__vfork", "forkpty", "daemon", "clone", "clone3", "_Fork"],
  ...["execve", "execv", "execvp", "execvpe", "execl", "execlp", "execle", "execveat", "fexecve"],
  ...["posix_spawn", "posix_spawnp", "system", "popen"],
]);

/**
 * On OSv, v0.57.0 and the head of 2026-08, in a native launch. Sources: WARN_STUBBED, NO_SYS and UNIMPL in runtime.cc,
 * libc/inotify.cc, libc/signal.cc, libc/user.cc, libc/af_local.cc, libc/locale/iconv_stubs.cc and fs/vfs/main.cc.
 * Left out is what nearly every program calls and none is hurt by (mlock, chown, setsid, getpriority, pathconf …).
 */
export const OSV_CALLS: readonly CallTopic[] = [
  {
    calls: ["sigsuspend"],
    impliedByProcesses: true,
    severity: "warning",
    what: "OSv does not have it, and stops",
    advice: "It is called to wait for other processes: look for an option to run as a single one.",
  },
  {
    calls: ["setuid", "setgid", "seteuid", "setegid"],
    severity: "note",
    what: "OSv stops when it is called for a user or group other than root",
    advice: "Let the program stay root (such as 'user root' in its configuration, or '-u root').",
  },
  {
    calls: ["initgroups", "chroot"],
    severity: "note",
    what: "it fails on OSv",
    advice: "Let the program stay root, and in its root directory.",
  },
  {
    calls: ["socketpair"],
    severity: "note",
    what: "OSv has only stream ones, and they are no full sockets",
    advice: "If it fails there, use a pair of TCP sockets, or start it through Linux's dynamic loader.",
  },
  {
    calls: ["inotify_init", "inotify_init1"],
    severity: "note",
    what: "OSv cannot watch files for changes",
    advice: "Turn the watching of files off, or let the program look at them from time to time.",
  },
  {
    calls: ["signalfd"],
    severity: "note",
    what: "it fails on OSv",
    advice: "Let the program use another way of receiving signals.",
  },
  {
    calls: ["mkfifo", "mkfifoat", "openpty"],
    severity: "note",
    what: "it fails on OSv",
    advice: "Configure the program to get along without named pipes and terminals.",
  },
];

/** What the demo kernel lacks: guest/README.md. */
export const DEMO_CALLS: readonly CallTopic[] = [
  {
    calls: ["socket", "bind", "listen", "connect", "getaddrinfo"],
    severity: "warning",
    what: "the demo kernel has no network",
    advice: "Compose with an OSv kernel: --loader_image osv-loader.",
  },
  {
    calls: ["pthread_create", "thrd_create", "uv_thread_create"],
    severity: "warning",
    what: "the demo kernel has no threads",
    advice: "Compose with an OSv kernel: --loader_image osv-loader.",
  },
];
