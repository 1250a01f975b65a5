/** What a line on the guest's console means. */
export interface Signature {
  /** Stable, for scripts and tests. */
  readonly id: string;
  readonly pattern: RegExp;
  readonly verdict: Verdict;
  /** What to do about it; undefined where the line says all there is. */
  readonly advise?: (found: RegExpExecArray) => string | undefined;
  /** Ids of signatures that say more: after one of them, this one's advice would mislead. */
  readonly quietAfter?: readonly string[];
}

export type Verdict =
  /** The guest says that it failed. */
  | "failed"
  /** It failed and, after a backtrace, stands still for ever instead of powering off. */
  | "fatal"
  /** Explains a failure, and alone means none. */
  | "warning";

const LINUX_LD = "run it with --launch linux (on an OSv newer than 0.57.0)";

/**
 * The sentences of OSv's kernels, v0.57.0 of 2022 and the head of 2026, and of programs that run into their limits.
 * Sources: loader.cc, runtime.cc, core/app.cc, core/elf.cc, core/commands.cc, core/mempool.cc, core/mmu.cc, libc/signal.cc,
 * linux.cc; and a survey of about 70 Debian programs booted on both.
 */
export const signatures: readonly Signature[] = [
  // What the kernel says before it powers off
  {
    id: "no-such-program",
    pattern: /^Failed to load object: (.+?)\. Powering off\.$/,
    verdict: "failed",
    quietAfter: ["no-interpreter"],
    advise: ([, path]) =>
      `The image has no program ${path}. See what it holds: capstan image ls IMAGE; then correct the boot command, or put the file in.`,
  },
  {
    id: "not-an-elf",
    pattern: /^(?:executable too short|bad elf (?!class)|bad executable type).*\. Powering off\.$/,
    verdict: "failed",
    advise: () =>
      "The boot command starts a file that is not an ELF program. Start a script through its interpreter: OSv does not read #! lines.",
  },
  {
    id: "wrong-machine",
    pattern: /^(?:machine type for (.+) differs from the kernel|bad elf class)\. Powering off\.$/,
    verdict: "failed",
    advise: ([, path]) =>
      `${path ?? "The program"} is for another processor than the kernel, or of 32 bits. Take one that is built for the kernel's.`,
  },
  {
    id: "no-main",
    pattern: /^Failed looking up main\. Powering off\.$/,
    verdict: "failed",
    advise: () => "The boot command starts a library, which has no main() and no entry. Name the program itself.",
  },
  {
    id: "bad-command-line",
    pattern: /^Failed to parse command line\.$/,
    verdict: "failed",
    quietAfter: ["no-runscript", "bad-runscript"],
    advise: () =>
      "The kernel does not understand the boot command. Show it with capstan image inspect IMAGE; words with blanks go in double quotes.",
  },
  {
    id: "empty-command-line",
    pattern: /^This image has an empty command line\. Nothing to run\.$/,
    verdict: "failed",
    advise: () => "Give a boot command: capstan run IMAGE -e '/program', or a configuration set in meta/run.yaml.",
  },
  {
    id: "unknown-kernel-option",
    pattern: /^unrecogni[sz]ed option: ?(.*)$/,
    verdict: "failed",
    advise: ([, option]) =>
      `The kernel has no option --${option}: words that begin with a dash before the program are for the kernel. Put the program first.`,
  },
  {
    id: "no-runscript",
    pattern: /^Failed to open runscript file '(.*?)'/,
    verdict: "failed",
    advise: ([, path]) =>
      `The image has no ${path}. Compose it with a meta/run.yaml that has this configuration set, or name one with --boot.`,
  },
  { id: "bad-runscript", pattern: /^Failed expanding runscript/, verdict: "failed" },
  {
    id: "no-root",
    pattern: /^Could not mount (\S+) root filesystem\.$/,
    verdict: "warning",
    advise: ([, type]) =>
      `The kernel found no ${type} root file system it can read. Look at the image with capstan image inspect; a ZFS root needs a kernel with ZFS.`,
  },
  { id: "no-zfs-library", pattern: /^Failed to preload ZFS library\. Powering off\.$/, verdict: "failed" },
  {
    id: "uncaught-signal",
    pattern: /^Uncaught signal (\d+) \("(.*)"\)\. Powering off\.$/,
    verdict: "failed",
    advise: ([, number, name]) => `The program was ended by signal ${number} (${name}).`,
  },
  { id: "launch-error", pattern: /\. Powering off\.$/, verdict: "failed" },

  // What stops the kernel for ever
  {
    id: "static-program",
    pattern: /^Statically linked executables are not supported!/,
    verdict: "fatal",
    advise: () =>
      "This kernel runs no static programs. Link the program dynamically (-pie), or compose with a newer OSv.",
  },
  {
    id: "unknown-segment",
    // The kernel's own text may have bytes of anything for the program's name.
    pattern: /^Unknown p_type in executable /,
    verdict: "fatal",
    advise: () =>
      `The program was linked by newer tools than this kernel knows. Link it without what is new (such as -Wa,--gsframe=no), or ${LINUX_LD}.`,
  },
  {
    id: "symbol-missing",
    pattern: /^(\/.+?|\S+): failed looking up symbol (.+?)(?: in other objects)?$/,
    verdict: "fatal",
    advise: ([, program, symbol]) =>
      `${program} calls ${symbol}, which nothing in the image has. If it belongs to a library, add that; if it is a function of glibc that OSv lacks, ${LINUX_LD}.`,
  },
  {
    id: "missing-symbol-used",
    pattern: /^trying to execute or access missing symbol/,
    verdict: "fatal",
    advise: () =>
      `The program uses a function or variable that nothing in the image has. If it belongs to a library, add that; if it is one of glibc's that OSv lacks, ${LINUX_LD}.`,
  },
  {
    id: "address-taken",
    pattern: /^Non-PI[CE] executable \[(.+)\] collides with kernel/,
    verdict: "fatal",
    advise: ([, path]) => `${path} is linked to addresses that the kernel has. Link it with -pie, or ${LINUX_LD}.`,
  },
  {
    id: "out-of-memory",
    pattern: /^Out of memory: could not reclaim any further/,
    verdict: "fatal",
    advise: () => "The guest ran out of memory. Give it more: capstan run -m 2G",
  },
  {
    id: "null-call",
    pattern: /^trying to execute null pointer/,
    verdict: "fatal",
    advise: () => `The program called a function that was not found when it was loaded; ${LINUX_LD}.`,
  },
  {
    id: "kernel-page-fault",
    pattern: /^page fault outside application/,
    verdict: "fatal",
    advise: () => `The kernel or its libc met a bad pointer. If the program is known to be sound, ${LINUX_LD}.`,
  },
  {
    id: "protection-fault",
    pattern: /^general protection fault/,
    verdict: "fatal",
    quietAfter: ["thread-local-storage-size"],
    advise: () =>
      `The program wrote over memory of the kernel's, or jumped to a bad address. If it is sound on Linux, ${LINUX_LD}.`,
  },
  {
    id: "old-kernel-relocation",
    pattern:
      /^Assertion failed: type == ARCH_JUMP_SLOT \|\| type == ARCH_TLSDESC|relocate_rela\(\): unknown relocation type .*25\b/,
    verdict: "fatal",
    advise: () => "This kernel is too old for how the program was linked. Compose with an OSv newer than 0.57.0.",
  },
  {
    id: "socketpair",
    pattern: /^Assertion failed: .*socketpair_af_local/,
    verdict: "fatal",
    advise: () =>
      "OSv has only stream socket pairs. In Python, replace socket.socketpair by a pair of TCP sockets on the loopback.",
  },
  {
    id: "users-assertion",
    pattern: /^Assertion failed: e?[ug]id == 0/,
    verdict: "fatal",
    advise: () =>
      "The program changes to a user or group, and there is only root in OSv. Let it stay root (such as 'user root' or -u root).",
  },
  {
    id: "proc-maps",
    pattern: /^Assertion failed: .*procfs_maps/,
    verdict: "fatal",
    advise: () => `The kernel trips over /proc/self/maps; ${LINUX_LD}.`,
  },
  {
    id: "memory-alignment",
    pattern: /^Assertion failed: .*posix_memalign/,
    verdict: "fatal",
    advise: () => "The program wants memory in larger alignment than OSv gives (MariaDB: --skip-innodb).",
  },
  {
    id: "thread-local-storage",
    pattern: /^Assertion failed: .*sched::preemptable\(\)/,
    verdict: "fatal",
    advise: () => `The program may need more thread-local storage than the kernel has; ${LINUX_LD}.`,
  },
  { id: "assertion", pattern: /^Assertion failed: /, verdict: "fatal" },
  {
    id: "stack-overflow",
    pattern: /^__stack_chk_fail\(\): Stack overflow detected/,
    verdict: "fatal",
    advise: () => "A function of the program wrote beyond its stack frame.",
  },
  { id: "aborted", pattern: /^Aborted$/, verdict: "fatal" },
  {
    id: "segmentation-fault",
    pattern: /<osv::handle_mmap_fault\(/,
    verdict: "warning",
    advise: () => `The program touched memory that is not its own. If it is sound on Linux, ${LINUX_LD}.`,
  },

  // What the built-in demo kernel says (guest/src), beyond the sentences of OSv
  {
    id: "no-interpreter",
    pattern: /^(.+?) needs the program interpreter (.+?), which this image lacks/,
    verdict: "failed",
    advise: ([, program, interpreter]) =>
      `Put ${interpreter} and the libraries of ${program} into the image, or compose with an OSv kernel, which has a C library of its own.`,
  },
  {
    id: "demo-kernel-limit",
    pattern: /^Capstan demo kernel: .*(?:unimplemented system call|Use an OSv kernel)/,
    verdict: "warning",
    advise: () => "The demo kernel can do little. Compose the image with an OSv kernel: --loader_image osv-loader",
  },

  // What programs say when they meet OSv's limits
  {
    id: "library-missing",
    pattern: /(?:^(.+?): |\b)error while loading shared libraries: ([^:]+): cannot open shared object file/,
    verdict: "failed",
    advise: ([, program, library]) =>
      program === library
        ? `The image has no program ${program}, or it is for another processor than the kernel.`
        : `Put ${library} into the image, under /usr/lib.`,
  },
  {
    id: "library-damaged",
    pattern: /(?:^(.+?): |\b)error while loading shared libraries: ([^:]+): (file too short|invalid ELF header)/,
    verdict: "failed",
    advise: ([, program, library]) =>
      program === library
        ? `${program} is not an ELF program. Start a script through its interpreter.`
        : `${library} is no library, or is damaged. Copy it into the image anew.`,
  },
  {
    id: "thread-local-storage-size",
    pattern: /is a PIE using TLS of size (\d+) which is greater than the (\d+) bytes limit/,
    verdict: "warning",
    advise: ([, size, limit]) =>
      `The program needs ${size} bytes of thread-local storage and the kernel has ${limit}. To give it more, ${LINUX_LD}, or link it with -shared instead of -pie.`,
  },
  {
    id: "fork",
    pattern:
      /\b(?:v?fork|system|execve|daemon)\(\) stubbed|\bfork: (?:Bad file descriptor|Function not implemented|No error information)|[Ee]rror forking|popen\(\) stubbed|unimplemented system call (?:56|57|58|59|435)\b/,
    verdict: "warning",
    advise: () =>
      "The program starts other processes, which OSv cannot. Look for its option to stay in the foreground in one process.",
  },
  {
    id: "nginx-master",
    pattern: /unimplemented .*\bsigsuspend\b|sigsuspend\(\) stubbed/,
    verdict: "warning",
    advise: () => "The program waits for child processes (nginx: daemon off; master_process off;).",
  },
  {
    id: "unix-socket",
    pattern: /Address family not supported by protocol|Creating UNIX domain socket: Bad file descriptor/,
    verdict: "warning",
    advise: () => "OSv has no listening unix sockets. Turn the program's off, and use TCP.",
  },
  {
    id: "not-a-socket",
    pattern: /\bNot a socket\b/,
    verdict: "warning",
    advise: () =>
      "OSv's socket pairs are not full sockets. In Python, replace socket.socketpair by a pair of TCP sockets on the loopback.",
  },
  {
    id: "socket-option",
    pattern: /setsockopt.*Protocol not available|failed to listen.*Protocol not available/,
    verdict: "warning",
    advise: () => "OSv lacks a socket option that the program asks for. Configure it without (unbound: do-udp: no).",
  },
  {
    id: "read-only-root",
    pattern: /Read-only file system/,
    verdict: "warning",
    advise: () =>
      "The root file system is read-only. Mount a ramfs where the program writes: a line such as 'none /var/lib/app ramfs defaults 0 0' in /etc/fstab.",
  },
  {
    id: "directory-instead-of-file",
    pattern: /^Config file .* is a directory/i,
    verdict: "warning",
    advise: () => `In OSv's own libc a file can be opened as a directory, which misleads the program; ${LINUX_LD}.`,
  },
  {
    id: "users",
    pattern:
      /Can't change group ID|Could not get user\/group ID|can't get (?:user|group) (?:name|id)|unimplemented system call (?:105|106|113|114|116|117|119)\b/i,
    verdict: "warning",
    advise: () =>
      "There is only root in OSv. Run the program as root (such as 'user root'), with /etc/passwd and /etc/group in the image.",
  },
  {
    id: "madvise",
    pattern: /madvise: [Ii]nvalid argument|Failed to set memory to MADV_DODUMP/,
    verdict: "warning",
    advise: () => "OSv knows few kinds of madvise. Turn off the engine that asks for it (MariaDB: --skip-innodb).",
  },
  {
    id: "php-timer",
    pattern: /Failed to initialize high-resolution timer/,
    verdict: "warning",
    advise: () => `For PHP, ${LINUX_LD}.`,
  },
  {
    id: "time-zones",
    pattern: /Invalid date\.timezone value/,
    verdict: "warning",
    advise: () => "Put /usr/share/zoneinfo into the image.",
  },
  {
    id: "locale",
    pattern: /encoding-error.*output locale/,
    verdict: "warning",
    advise: () => "Put a locale into the image (/usr/lib/locale/C.utf8, gconv) and set LC_ALL=C.UTF-8.",
  },
  {
    id: "erlang",
    pattern: /Environment variable BINDIR is not set/,
    verdict: "warning",
    advise: () =>
      `Erlang without its wrapper needs BINDIR, ROOTDIR, EMU, PROGNAME and HOME in its environment; and ${LINUX_LD}.`,
  },
];
