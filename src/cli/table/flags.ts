import type { FlagSpec } from "../spec.ts";

export const loaderFlag: FlagSpec = {
  long: "loader_image",
  short: "l",
  also: ["loader-image", "loader"],
  value: "NAME",
  fallback: "osv-loader",
  kind: "image",
  text: "The kernel to put in: an image of the store, a loader file, or `builtin` for the demo kernel.",
};

export const fsFlag: FlagSpec = {
  long: "fs",
  value: "TYPE",
  fallback: "rofs",
  choices: ["rofs", "zfs"],
  text: "The root file system. `rofs` is read-only and boots on every kernel; `zfs` can be written to, and needs a loader with ZFS.",
};

export const builderFlags: readonly FlagSpec[] = [
  {
    long: "builder",
    value: "HOW",
    fallback: "direct",
    choices: ["direct", "vm"],
    text: "What writes the ZFS: Capstan itself, or OSv's builder in a virtual machine (`vm`), which takes a minute and more.",
  },
  {
    long: "builder-kernel",
    value: "FILE",
    kind: "file",
    text: "The ELF of OSv's builder; without it, the `osv-zfs-builder` of the store.",
  },
];

export const zfsRootFlag: FlagSpec = {
  long: "zfs-root",
  value: "DATASET",
  fallback: "auto",
  choices: ["auto", "osv", "osv/zfs", "both"],
  text: "With `--fs zfs`: the data set that is the root. `osv/zfs` for kernels up to v0.57.0, `osv` for later ones, `both` for either; `auto` asks the kernel.",
};

export const sizeFlag: FlagSpec = {
  long: "size",
  short: "s",
  value: "SIZE",
  fallback: "10G",
  text: "The size of a writable root, such as 512M or 10G; 64M at least. ROFS takes what it needs and ignores it.",
};

export const requireFlag: FlagSpec = {
  long: "require",
  value: "PACKAGE",
  many: true,
  kind: "package",
  text: "A further package to put in; may be given more than once.",
};

export const pullMissingFlag: FlagSpec = {
  long: "pull-missing",
  short: "p",
  text: "Fetch required packages that the store lacks.",
};

/** Which remote, as in the original; and by name. */
export const remoteFlags: readonly FlagSpec[] = [
  { long: "remote", value: "NAME", text: "Ask this remote of config.yaml alone." },
  {
    long: "release-tag",
    short: "r",
    value: "TAG",
    fallback: "any",
    text: "The release on GitHub: `any` (the newest that has it), `latest`, or a tag.",
  },
  { long: "s3", text: "Ask the S3 repository of repo_url, CAPSTAN_REPO_URL or -u alone." },
  { long: "u", short: "u", value: "URL", text: "The address of the S3 repository." },
];

export const allowChangedFlag: FlagSpec = {
  long: "allow-changed",
  text: "Take another content under a name and version that was fetched before.",
};

export const forceFlag: FlagSpec = {
  long: "force",
  short: "f",
  text: "Fetch what the store has already, too.",
};

export const unpackLimitFlag: FlagSpec = {
  long: "unpack-limit",
  value: "SIZE",
  fallback: "64G",
  text: "How much a package or image may unpack to, at most; CAPSTAN_UNPACK_LIMIT sets it for all commands.",
};

export const bootFlag: FlagSpec = {
  long: "boot",
  value: "SET",
  many: true,
  text: "A configuration set to boot with; more than one run one after the other.",
};

export const envFlag: FlagSpec = {
  long: "env",
  value: "KEY=VALUE",
  many: true,
  text: "An environment variable for the program; may be given more than once.",
};

export const followFlag: FlagSpec = {
  long: "follow-links",
  value: "WHICH",
  fallback: "never",
  choices: ["never", "inside", "all"],
  text: "Which links of the folder become what they lead to: none of them, those that lead to something inside it, or all.",
};

export const checkFlags: readonly FlagSpec[] = [
  { long: "strict", text: "Fail when the check of the image finds something; without it, that is told as warnings." },
  { long: "no-check", text: "Do not check the image." },
];

/** How a program of this machine is put together. */
export const programFlags: readonly FlagSpec[] = [
  {
    long: "launch",
    value: "HOW",
    fallback: "auto",
    choices: ["auto", "native", "linux", "static"],
    text: "How the program starts: by OSv's own linker (`native`), on the Linux loader and C library in the image (`linux`), or by itself (`static`).",
  },
  {
    long: "with",
    value: "PATH[:TARGET]",
    many: true,
    kind: "file",
    text: "A further file or folder that the program opens; also a library's name, or one of certificates, locale, time-zones, users, services.",
  },
  {
    long: "interpreter",
    value: "PATH|PACKAGE",
    kind: "file",
    text: "What runs a script: a program of this machine, or a package of the store; without it, what the script names.",
  },
  { long: "trim", text: "Leave out what programs rarely need, such as tests and documentation; the default." },
  { long: "no-trim", text: "Leave nothing out." },
  {
    long: "library-path",
    value: "DIRECTORIES",
    many: true,
    kind: "folder",
    text: "Directories in which libraries are looked for first, as with LD_LIBRARY_PATH.",
  },
  {
    long: "sysroot",
    value: "FOLDER",
    kind: "folder",
    text: "Take libraries and interpreters from the system in this folder, not from this machine.",
  },
];

export const imageArgument = {
  name: "image",
  kind: "image",
  text: "An image of the store, or the path of an image file.",
} as const;

/** Whether a guest in the background is ready. */
export const waitFlags: readonly FlagSpec[] = [
  {
    long: "wait-for",
    value: "PROBE",
    text: "Wait until the guest is ready: log:REGEX for a line of its console, tcp:PORT, or http:PORT/PATH.",
  },
  { long: "wait-timeout", value: "TIME", fallback: "60s", text: "How long --wait-for waits; such as 30s or 5m." },
];

/** What is known of a guest once it runs: its console, whether it is ready and well. */
export const consoleFlags: readonly FlagSpec[] = [
  ...waitFlags,
  {
    long: "health",
    value: "PROBE",
    text: "Look again and again whether the guest is well, with a probe as of --wait-for; shown by `instances`.",
  },
  { long: "health-interval", value: "TIME", fallback: "30s", text: "The time between two looks." },
  { long: "health-timeout", value: "TIME", fallback: "30s", text: "What one look may take." },
  { long: "health-retries", value: "COUNT", fallback: "3", text: "After so many failures in a row it is unhealthy." },
  {
    long: "health-start-period",
    value: "TIME",
    fallback: "0s",
    text: "The time after the start in which failures do not count.",
  },
  {
    long: "log-size",
    value: "SIZE",
    fallback: "32M",
    text: "How much of the console is kept for `logs`; the oldest goes first.",
  },
];
