import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ConsoleWatch } from "../../src/instances/console-watch.ts";
import { signatures } from "../../src/instances/signatures.ts";

function watch(text: string, commandLine = ""): ConsoleWatch {
  const watch = new ConsoleWatch({ commandLine });
  watch.push(Buffer.from(text));
  return watch;
}

const boot = "OSv v0.57.0-398-g0e34e4dc\r\neth0: 192.168.122.15\r\nBooted up in 0.00 ms\r\nCmdline: /hello\r\n";

test("a guest that says nothing of a failure is well", () => {
  const well = watch(`${boot}HELLO argc=1\r\nBYE\r\n`);
  expect(well.fatalHalt).toBe(false);
  expect(well.finish()).toEqual({ failed: false, advice: [], signals: [] });
  expect(new ConsoleWatch().finish()).toEqual({ failed: false, advice: [], signals: [] });
});

/** Consoles of real kernels and programs: line, whether that alone is a failure, words of the advice. */
const lines: readonly (readonly [line: string, failed: boolean, advice: string])[] = [
  ["Failed to load object: /nope. Powering off.", true, "no program /nope"],
  ["executable too short /etc/hosts: file_size=30 need=64. Powering off.", true, "not an ELF"],
  ["executable too short. Powering off.", true, "not an ELF"],
  ["bad elf class. Powering off.", true, "of 32 bits"],
  ["machine type for /arm differs from the kernel. Powering off.", true, "/arm is for another processor"],
  ["/app: failed looking up symbol stdin_used in other objects", true, "stdin_used"],
  ["/app: failed looking up symbol _ZN1A1fEv (A::f())", true, "_ZN1A1fEv (A::f())"],
  ["/my prog: failed looking up symbol fz", true, "/my prog calls fz"],
  ["/my prog needs the program interpreter /lib64/ld.so, which this image lacks (OSv", true, "libraries of /my prog"],
  [
    "/no such: error while loading shared libraries: /no such: cannot open shared object file: No such file or directory",
    true,
    "no program /no such",
  ],
  ["/a script: error while loading shared libraries: /a script: file too short", true, "/a script is not an ELF"],
  ["Unknown p_type in executable \x01\ufffd: 1685382484", true, "newer tools"],
  ["Non-PIE executable [/my app] collides with kernel: [0x400000-0x900000] !", true, "/my app is linked"],
  ["trying to execute or access missing symbol", true, "nothing in the image has"],
  ["general protection fault", true, "sound on Linux"],
  [
    "/gone: error while loading shared libraries: /gone: cannot open shared object file: No such file or directory",
    true,
    "no program /gone",
  ],
  ["/s.sh: error while loading shared libraries: /s.sh: file too short", true, "through its interpreter"],
  ["/a: error while loading shared libraries: liba.so.1: invalid ELF header", true, "liba.so.1 is no library"],
  ["Statically linked executables are not supported!", true, "static"],
  ["Failed to parse command line.", true, "boot command"],
  ["This image has an empty command line. Nothing to run.", true, "Give a boot command"],
  ["unrecognized option: bogus", true, "no option --bogus"],
  ["Failed to open runscript file '/run/default'.", true, "/run/default"],
  ['Uncaught signal 15 ("Terminated"). Powering off.', true, "signal 15 (Terminated)"],
  ["some other reason. Powering off.", true, ""],
  ["program exited with status 3", true, ""],
  ["program /app returned -1", true, ""],
  ["program exited with status 0", false, ""],
  ["/python3: failed looking up symbol curl_global_init", true, "curl_global_init"],
  ["Out of memory: could not reclaim any further. Current memory: 512 Kb", true, "-m 2G"],
  ["trying to execute null pointer", true, "--launch linux"],
  ["page fault outside application, addr: 0x0000000000000000", true, "bad pointer"],
  [
    "Assertion failed: type == ARCH_JUMP_SLOT || type == ARCH_TLSDESC (core/elf.cc: relocate_pltgot: 843)",
    true,
    "too old",
  ],
  ["/lib64/ld-linux-x86-64.so.2: relocate_rela(): unknown relocation type 0000000000000025", true, "too old"],
  ["Assertion failed: type == SOCK_STREAM (libc/af_local.cc: socketpair_af_local: 232)", true, "TCP sockets"],
  ["Assertion failed: x (fs/procfs/procfs_vnops.cc: procfs_maps: 1)", true, "/proc/self/maps"],
  ["Assertion failed: align <= 4096 (core/mempool.cc: posix_memalign: 1)", true, "skip-innodb"],
  ["Assertion failed: sched::preemptable() (arch/x64/mmu.cc: page_fault: 34)", true, "thread-local"],
  ["Assertion failed: something else (a.cc: b: 1)", true, ""],
  ["__stack_chk_fail(): Stack overflow detected. Aborting.", true, "stack"],
  ["Aborted", true, ""],
  [
    "/app: error while loading shared libraries: libblas.so.3: cannot open shared object file: No such file",
    true,
    "libblas.so.3",
  ],
  [
    "/ab needs the program interpreter /lib64/ld-linux-x86-64.so.2, which this image lacks (OSv",
    true,
    "/lib64/ld-linux",
  ],
  ["Capstan demo kernel: unimplemented system call 41 (socket)", false, "osv-loader"],
  ["bad elf header. Powering off.", true, "not an ELF"],
  ["Could not mount zfs root filesystem.", false, "zfs root"],
  [
    "WARNING: /app is a PIE using TLS of size 2000 which is greater than the 536 bytes limit. Either re-link",
    false,
    "2000 bytes",
  ],
  ["fork() stubbed", false, "other processes"],
  ["bash: fork: Function not implemented", false, "other processes"],
  ["fork: No error information", false, "other processes"],
  ["system() stubbed", false, "other processes"],
  ["execve() stubbed", false, "other processes"],
  ["syscall(): unimplemented system call 59", false, "other processes"],
  ["sh: unimplemented sigsuspend", false, "master_process off"],
  ["socket: Address family not supported by protocol", false, "unix sockets"],
  ["OSError: [Errno 88] Not a socket", false, "socketpair"],
  ["setsockopt(3, IP_MTU_DISCOVER): Protocol not available", false, "do-udp"],
  ['mkdir() "/var/lib/nginx/body" failed (30: Read-only file system)', false, "ramfs"],
  ["Config file /x.conf is a directory", false, "--launch linux"],
  ["Can't change group ID", false, "root"],
  ["syscall(): unimplemented system call 106", false, "root"],
  ["Assertion failed: uid == 0 (libc/user.cc: setuid: 101)", true, "stay root"],
  ["Failed looking up main. Powering off.", true, "library"],
  ["Non-PIC executable [/app] collides with kernel: [0x400000-0x900000] !", true, "-pie"],
  ["madvise: invalid argument", false, "skip-innodb"],
  ["Fatal error: Failed to initialize high-resolution timer", false, "PHP"],
  ["PHP Fatal error: Invalid date.timezone value 'UTC'", false, "zoneinfo"],
  ["encoding-error: cannot convert to output locale", false, "LC_ALL"],
  ["Environment variable BINDIR is not set", false, "ROOTDIR"],
];

describe.each(lines)("%s", (line, failed, advice) => {
  test("is told", () => {
    const findings = watch(`${boot}${line}\r\n`).finish();
    expect(findings.failed).toBe(failed);
    if (advice === "") expect(findings.advice).toEqual([]);
    else expect(findings.advice.join()).toContain(advice);
  });

  test("means nothing where the kernel echoes the command line", () => {
    expect(watch(`Cmdline: /echo ${line}\r\nrunscript expand fn='/r' line=1 '${line}'\r\n`).finish().failed).toBe(
      false,
    );
    expect(watch(`Cmdline: /echo a\r\n${line}\r\n`, `/echo a\n${line}`).finish().failed).toBe(false);
  });
});

test.each([
  "syscall(): unimplemented system call 334",
  "getauxval() stubbed",
  "setsid() stubbed",
  "fcntl(F_SETLK) stubbed",
])("harmless: %s", (line) => {
  expect(watch(`${line}\n`).finish()).toEqual({ failed: false, advice: [], signals: [] });
});

test("every signature is met by a line above", () => {
  const unmet = signatures.filter(({ pattern }) => !lines.some(([line]) => pattern.test(line)));
  expect(unmet.map(({ id }) => id)).toEqual(["bad-runscript", "no-zfs-library", "segmentation-fault"]);
});

test("what the lines name is kept, each line once", () => {
  const { signals } = watch(
    "/a: failed looking up symbol x\n/a: failed looking up symbol x\n/b: failed looking up symbol y in other objects\n/p: error while loading shared libraries: libq.so.1: cannot open shared object file: No such file or directory\n",
  ).finish();
  expect(signals.map(({ id, values }) => [id, ...values])).toEqual([
    ["symbol-missing", "/a", "x"],
    ["symbol-missing", "/b", "y"],
    ["library-missing", "/p", "libq.so.1"],
  ]);
  expect(signals[0]?.line).toBe("/a: failed looking up symbol x");
});

test("a guest that says the same over and over takes no memory", () => {
  const chatter = Array.from({ length: 500 }, (_, index) => `/a: failed looking up symbol f${index}\n`).join("");
  expect(watch(chatter).finish().signals).toHaveLength(20);
});

test("a fault after the warning about thread-local storage says nothing new", () => {
  const { advice } = watch(
    "WARNING: /a is a PIE using TLS of size 1000 which is greater than the 536 bytes limit. Either\ngeneral protection fault\n",
  ).finish();
  expect(advice).toEqual([expect.stringContaining("1000 bytes")]);
});

test("the status of the first program that failed is kept", () => {
  const findings = watch(
    "program /a returned 0\nprogram exited with status 7\nprogram exited with status 1\n",
  ).finish();
  expect(findings).toMatchObject({ failed: true, guestStatus: 7 });
});

test("what is certain comes before what is probable, and nothing twice", () => {
  const advice = watch(
    "fork() stubbed\nfork() stubbed\na: Read-only file system\nFailed to load object: /x. Powering off.\n",
  ).finish().advice;
  expect(advice).toHaveLength(3);
  expect(advice[0]).toContain("no program /x");
});

test.each([
  [
    "/a needs the program interpreter /ld.so, which this image lacks\nFailed to load object: /a. Powering off.\n",
    "/ld.so",
  ],
  ["Failed to open runscript file '/run/x'.\nFailed to parse command line.\n", "/run/x"],
])("the general says nothing after the particular: %j", (text, advice) => {
  expect(watch(text).finish()).toMatchObject({ failed: true, advice: [expect.stringContaining(advice)] });
});

describe("a kernel that stands still for ever", () => {
  const backtrace = "\r\n[backtrace]\r\n0x0000000040221a03 <osv::handle_mmap_fault(unsigned long)+28>\r\n";

  test("is seen by an abort and the backtrace after it", () => {
    const halting = watch(`${boot}Aborted\r\n`);
    expect(halting.fatalHalt).toBe(false);
    halting.push(Buffer.from(backtrace));
    expect(halting.fatalHalt).toBe(true);
    expect(halting.finish()).toMatchObject({
      failed: true,
      advice: [expect.stringContaining("memory that is not its own")],
    });
  });

  test.each([
    "/my prog: failed looking up symbol fz",
    "/my prog: failed looking up symbol fz in other objects",
    "Statically linked executables are not supported!",
    "Non-PIC executable [/my prog] collides with kernel: [0x40300000-0x40304020] !",
    "Non-PIE executable [/my prog] collides with kernel: [0x40300000-0x40304020] !",
    "Unknown p_type in executable \x01: 1685382484",
    "trying to execute or access missing symbol",
    "trying to execute null pointer",
    "page fault outside application, addr: 0x0000000000002000",
    "general protection fault",
  ])("is seen by: %s", (line) => {
    expect(watch(`${boot}${line}\r\n${backtrace}`).fatalHalt).toBe(true);
  });

  test("is seen when it is too early for a backtrace", () => {
    expect(watch("Assertion failed: x (a.cc: b: 1)\nHalting.\n").fatalHalt).toBe(true);
  });

  test.each(["Aborted\n", `${backtrace}`, "the backup was Aborted\n[backtrace]\n", "Aborted [backtrace]\n"])(
    "is not seen in what programs may print: %j",
    (text) => {
      expect(watch(text).fatalHalt).toBe(false);
    },
  );
});

test("lines are found wherever chunks end, through colours and carriage returns", () => {
  const text = Buffer.from(
    `\x1b[32mé\x1b[0m\x1b]0;title\x07 10%\r20%\r\x1b[1;31mFailed to load object: /ü. Powering off.\x1b[0m\r\nprogram exited with status 2`,
  );
  const advice = expect.stringContaining("/ü");
  const line = "Failed to load object: /ü. Powering off.";
  const signals = [{ id: "no-such-program", line, values: ["/ü"], advice }];
  const expected = { failed: true, guestStatus: 2, advice: [advice], signals };
  fc.assert(
    fc.property(fc.array(fc.nat(text.length)), (cuts) => {
      const watch = new ConsoleWatch();
      const borders = [0, ...cuts.sort((a, b) => a - b), text.length];
      for (const [index, end] of borders.slice(1).entries()) watch.push(text.subarray(borders[index], end));
      expect(watch.finish()).toEqual(expected);
    }),
  );
});

test("a chunk's memory may be used again", () => {
  const watch = new ConsoleWatch();
  const chunk = Buffer.from("Failed to parse ");
  watch.push(chunk);
  chunk.fill(0);
  watch.push(Buffer.from("command line.\n"));
  expect(watch.finish().failed).toBe(true);
});

test("binary noise and lines without end take neither memory nor time", () => {
  const watch = new ConsoleWatch();
  const noise = Buffer.alloc(1 << 20, "x");
  const started = performance.now();
  for (let time = 0; time < 64; time++) watch.push(noise);
  for (let value = 0; value < 256; value++) watch.push(Buffer.from([value, value ^ 0x55]));
  watch.push(Buffer.from("\nFailed to parse command line.\n"));
  expect(watch.finish().failed).toBe(true);
  expect(performance.now() - started).toBeLessThan(5000);
});
