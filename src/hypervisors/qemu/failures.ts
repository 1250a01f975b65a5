import { CapstanError, ExitCode } from "../../support/errors.ts";
import type { QemuExit } from "./process.ts";

/** Whether QEMU itself failed: whatever happens in the guest, it exits with 0. */
export function isFailure({ code, signal }: QemuExit): boolean {
  return code !== 0 || signal !== null;
}

/** What QEMU's own failure means to the user, and the cure where it is a known one. */
export function explainFailure(exit: QemuExit): CapstanError {
  const complaints = complaintLines(exit.stderr);
  for (const { pattern, explain } of KNOWN) {
    const found = pattern.exec(complaints.join("\n"));
    if (found !== null) return toError(explain(found), complaints);
  }
  if (exit.signal === "SIGKILL") {
    return toError(
      {
        code: "qemu-killed",
        message: "QEMU was killed from outside",
        hint: "If the system ran out of memory, give the guest less of it (-m).",
      },
      complaints,
    );
  }
  const how = exit.signal === null ? `exit code ${exit.code}` : `signal ${exit.signal}`;
  return toError(
    {
      code: "qemu-failed",
      message: `QEMU failed: ${complaints[0] ?? how}`,
      hint: "Run again with -v to see how it is called.",
    },
    complaints.slice(1),
  );
}

interface Explanation {
  readonly code: string;
  readonly message: string;
  readonly hint: string;
  readonly exitCode?: ExitCode;
}

interface KnownFailure {
  readonly pattern: RegExp;
  readonly explain: (found: RegExpExecArray) => Explanation;
}

/** The patterns are parts of QEMU's own messages (2.11 to 10.2). */
const KNOWN: readonly KnownFailure[] = [
  {
    pattern: /Could not set up host forwarding rule '(tcp|udp):([^:']*):(\d+)-/,
    explain: (found) => forwardTaken({ protocol: found[1] ?? "", address: found[2] ?? "", port: Number(found[3]) }),
  },
  {
    pattern: /Invalid host forwarding rule '([^']*)'/,
    explain: (found) => ({
      code: "forward-refused",
      message: `QEMU does not take the port forwarding ${found[1]}`,
      hint: "Write it as [IP:]HOST:GUEST[/udp] with an IPv4 address.",
    }),
  },
  {
    pattern: /Failed to get "(?:write|shared "write"|consistent read)" lock|Failed to get shared/,
    explain: () => ({
      code: "disk-in-use",
      message: "A disk is in use by another virtual machine",
      hint: "Stop the other one (capstan instances, capstan stop NAME), or give the volume as readonly in both.",
    }),
  },
  {
    pattern: /'vhost-user-fs-pci' is not a valid device model name/,
    explain: () => ({
      code: "folders-unavailable",
      message: "This QEMU was built without shared folders",
      hint: "Install the full one of your system, or put the files onto a volume: capstan volume create NAME --fs rofs --from DIR",
      exitCode: ExitCode.unavailable,
    }),
  },
  {
    pattern: /cannot set up guest memory|Cannot allocate memory|cannot allocate memory/,
    explain: () => ({
      code: "out-of-memory",
      message: "This machine has not got the memory that the guest was to have",
      hint: "Give it less: -m 256M",
    }),
  },
  {
    pattern: /Could not access KVM kernel module: (.*)/,
    explain: (found) => ({
      code: "acceleration-unavailable",
      message: `KVM cannot be used: ${found[1]}`,
      hint: "Run with --accel tcg, or --accel auto to have it tried.",
      exitCode: ExitCode.unavailable,
    }),
  },
  {
    pattern:
      /failed to initialize (kvm|hvf|KVM|HVF)|invalid accelerator (kvm|hvf)|kvm_buf_set_msrs|failed to set MSR|kvm run failed|does not support KVM/,
    explain: () => ({
      code: "acceleration-unavailable",
      message: "The hardware acceleration does not work with this QEMU on this machine",
      hint: "Run with --accel tcg.",
      exitCode: ExitCode.unavailable,
    }),
  },
  {
    pattern: /bridge helper failed|failed to parse default acl file|access denied by acl file/,
    explain: () => ({
      code: "bridge-refused",
      message: "QEMU's bridge helper refused the bridge",
      hint: "Allow it in the helper's bridge.conf with a line such as 'allow BRIDGE' (most often in /etc/qemu), and see that the helper is set-uid root.",
      exitCode: ExitCode.unavailable,
    }),
  },
  {
    pattern: /could not configure \/dev\/net\/tun \(([^)]*)\): .*[Bb]usy/,
    explain: ([, device = ""]) => ({
      code: "tap-in-use",
      message: `The tap device ${device} is in use by another guest or program`,
      hint: "A tap device takes one guest. Make another: sudo ip tuntap add dev NAME mode tap user $USER && sudo ip link set NAME up",
      exitCode: ExitCode.unavailable,
    }),
  },
  {
    pattern: /could not configure \/dev\/net\/tun \(([^)]*)\): (.*)|could not open \/dev\/net\/tun: (.*)/,
    explain: (found) => ({
      code: "tap-refused",
      message: `The tap device ${found[1] ?? ""} cannot be used: ${found[2] ?? found[3]}`.replace("  ", " "),
      hint: "Make it for your user first: sudo ip tuntap add dev NAME mode tap user $USER",
      exitCode: ExitCode.unavailable,
    }),
  },
  {
    pattern: /open vhost char device failed|vhost-net requested but could not be initialized/,
    explain: () => ({
      code: "vhost-unavailable",
      message: "The kernel of this machine offers no vhost-net",
      hint: "Load it (sudo modprobe vhost_net), or use -n tap.",
      exitCode: ExitCode.unavailable,
    }),
  },
  {
    pattern: /network script (\S+) failed|could not launch network script|no bridge for guest interface/,
    explain: () => ({
      code: "tap-refused",
      message: "The script that sets up the guest's tap device failed",
      hint: "Make a tap device and name it: -n tap -b NAME, or -n vhost -b NAME",
      exitCode: ExitCode.unavailable,
    }),
  },
  {
    pattern: /Could not open '([^']*)': (.*)/,
    explain: (found) => ({
      code: "disk-not-opened",
      message: `QEMU cannot open ${found[1]}: ${found[2]}`,
      hint: "Check that the file is there and that you may read and write it.",
      exitCode: ExitCode.noInput,
    }),
  },
  {
    pattern: /file=([^,]*(?:,,[^,]*)*),.*: (Image is not in \S+ format|.*invalid.*|.*[Uu]nsupported.*)/,
    explain: (found) => ({
      code: "disk-bad-format",
      message: `QEMU cannot use ${found[1]?.replaceAll(",,", ",")}: ${found[2]}`,
      hint: "Name the right format: --volume PATH:format=raw",
      exitCode: ExitCode.badData,
    }),
  },
  {
    pattern: /does not support O_DIRECT|aio=native was specified|requires cache\.direct=on/,
    explain: () => ({
      code: "aio-unsupported",
      message: "The file system of a disk cannot do the kind of input and output that was asked for",
      hint: "Use aio=threads and cache=writeback for it.",
    }),
  },
  {
    pattern: /invalid kernel header|Error loading uncompressed kernel|could not load kernel|could not open kernel file/,
    explain: () => ({
      code: "bad-kernel",
      message: "QEMU cannot load the kernel",
      hint: "Give the loader's ELF file (loader-stripped.elf, osv-loader.elf), or boot through the BIOS with --no-kernel.",
      exitCode: ExitCode.badData,
    }),
  },
];

function forwardTaken({ protocol, address, port }: { protocol: string; address: string; port: number }): Explanation {
  const where = address === "" ? `${protocol} port ${port}` : `${protocol} port ${port} of ${address}`;
  const privileged = port < 1024 ? ", or ports below 1024 are closed to you," : "";
  return {
    code: "port-in-use",
    message: `Cannot listen on ${where} of this machine: it is in use${privileged} or the address is not one of its own`,
    hint: "Choose another host port, such as -f 8081:80",
    exitCode: ExitCode.unavailable,
  };
}

function toError({ code, message, hint, exitCode }: Explanation, details: readonly string[]): CapstanError {
  return new CapstanError(message, { code, hint, exitCode: exitCode ?? ExitCode.runFailed, details });
}

/** QEMU's own lines, without its name before them and without warnings. */
function complaintLines(stderr: string): string[] {
  return stderr
    .split("\n")
    .map((line) => line.trim().replace(/^\S*qemu[^\s:]*: /, ""))
    .filter((line) => line !== "" && !/^warning: (?!tap: open vhost)/.test(line));
}
