import type { CommandSpec, FlagSpec, GroupSpec } from "./spec.ts";

export const globalFlags: readonly FlagSpec[] = [
  { long: "json", text: "Print the answer as JSON." },
  { long: "quiet", short: "q", text: "Say nothing but the answer, warnings and errors." },
  { long: "verbose", short: "v", text: "Say what is done in detail." },
  { long: "help", short: "h", text: "Show the help of the command." },
];

export const groups: readonly GroupSpec[] = [
  { name: "package", summary: "Make, look at and compose packages" },
  { name: "runtime", summary: "Templates of meta/run.yaml" },
  { name: "image", summary: "Look into composed images without booting them" },
  { name: "remote", summary: "Where packages and images are fetched from" },
  { name: "repo", summary: "Host a repository of packages and images of one's own" },
  { name: "config", summary: "The tool's own settings" },
];

/** What the original has, and this version has not: people who come from there are told so. */
export const notYet = {
  commands: ["build", "info", "openstack", "package compose-remote", "stack", "volume"],
  /** Of every command: which remote repository, and what of it. */
  flags: [],
} as Readonly<Record<"commands" | "flags", readonly string[]>>;

const loaderFlag: FlagSpec = {
  long: "loader_image",
  short: "l",
  also: ["loader-image", "loader"],
  value: "NAME",
  fallback: "osv-loader",
  kind: "image",
  text: "The kernel to put in: an image of the store, a loader file, or `builtin` for the demo kernel.",
};

const fsFlag: FlagSpec = {
  long: "fs",
  value: "TYPE",
  fallback: "rofs",
  choices: ["rofs"],
  text: "The root file system. `rofs` is read-only, boots on every kernel and needs no virtual machine to write.",
};

const sizeFlag: FlagSpec = {
  long: "size",
  short: "s",
  value: "SIZE",
  fallback: "10G",
  text: "The size of a writable root, such as 512M or 10G. ROFS takes what it needs and ignores it.",
};

const requireFlag: FlagSpec = {
  long: "require",
  value: "PACKAGE",
  many: true,
  kind: "package",
  text: "A further package to put in; may be given more than once.",
};

const pullMissingFlag: FlagSpec = {
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

const allowChangedFlag: FlagSpec = {
  long: "allow-changed",
  text: "Take another content under a name and version that was fetched before.",
};

const bootFlag: FlagSpec = {
  long: "boot",
  value: "SET",
  many: true,
  text: "A configuration set to boot with; more than one run one after the other.",
};

const envFlag: FlagSpec = {
  long: "env",
  value: "KEY=VALUE",
  many: true,
  text: "An environment variable for the program; may be given more than once.",
};

const followFlag: FlagSpec = {
  long: "follow-links",
  value: "WHICH",
  fallback: "never",
  choices: ["never", "inside", "all"],
  text: "Which links of the folder become what they lead to: none of them, those that lead to something inside it, or all.",
};

const checkFlags: readonly FlagSpec[] = [
  { long: "strict", text: "Fail when the check of the image finds something; without it, that is told as warnings." },
  { long: "no-check", text: "Do not check the image." },
];

/** How a program of this machine is put together. */
const programFlags: readonly FlagSpec[] = [
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

const imageArgument = {
  name: "image",
  kind: "image",
  text: "An image of the store, or the path of an image file.",
} as const;

export const commands: readonly CommandSpec[] = [
  {
    name: "run",
    summary: "Run a program, an image, or the project of this folder",
    details: [
      "A path names a program of this machine: an ELF file, a script, a .jar, or a folder with a package.json, a __main__.py or a project. It is put into an image with all that it loads and with its interpreter, and booted; nothing is written beside it. With --dry-run, what would go in is shown: why, from where, how big.",
      "Without an image, the project of this folder is composed (only if something changed) and run.",
      "The image itself is never written: a run has a disk of its own that lies over it, and that is removed when the guest ends, unless --persist keeps it. The boot command that was composed is kept; --execute or --boot replaces it, --env adds to it.",
      "The guest's console is this terminal. The first Ctrl-C asks the guest to power off, a second one ends it. When the guest's console says that the program failed, the exit code is 1.",
    ],
    args: [
      {
        name: "name",
        optional: true,
        kind: "image",
        text: "An image, which also names the instance; or the path of a program.",
      },
      { name: "args", optional: true, many: true, text: "Arguments of the program, behind `--`." },
    ],
    flags: [
      {
        long: "image",
        short: "i",
        value: "IMAGE",
        kind: "image",
        text: "The image, when the instance gets another name.",
      },
      { long: "hypervisor", short: "p", value: "NAME", fallback: "qemu", choices: ["qemu"], text: "What runs it." },
      { long: "memory", short: "m", value: "SIZE", fallback: "1G", text: "Memory, such as 512M or 2G." },
      { long: "cpus", short: "c", value: "COUNT", fallback: "2", text: "Number of processors." },
      {
        long: "network",
        short: "n",
        value: "MODE",
        fallback: "nat",
        choices: ["nat", "bridge", "tap", "vhost"],
        text: "How the guest reaches the network.",
      },
      { long: "bridge", short: "b", value: "DEVICE", text: "The bridge or tap device of the network mode." },
      {
        long: "forward",
        short: "f",
        value: "[IP:]HOST:GUEST[/udp]",
        many: true,
        text: "Forward a port of this machine to the guest; `-f 8080` is 8080:8080.",
      },
      { long: "mac", value: "ADDRESS", text: "The network card's address." },
      { long: "execute", short: "e", value: "COMMAND", text: "The boot command, instead of the composed one." },
      bootFlag,
      envFlag,
      { long: "persist", text: "Keep the instance and its disk: running the same name again goes on with them." },
      {
        long: "volume",
        value: "PATH[:KEY=VALUE…]",
        many: true,
        kind: "file",
        text: "A further disk; keys are format, aio, cache and readonly.",
      },
      {
        long: "accel",
        value: "KIND",
        fallback: "auto",
        choices: ["auto", "kvm", "hvf", "tcg"],
        text: "Hardware acceleration: tried out when `auto`, forced otherwise.",
      },
      {
        long: "kernel",
        value: "FILE",
        kind: "file",
        text: "Boot this kernel ELF directly; the default where the image's loader brought one.",
      },
      { long: "no-kernel", text: "Boot through the BIOS even where a kernel ELF is there." },
      { long: "name", value: "NAME", text: "The name of the instance." },
      { ...loaderFlag, text: "The kernel to compose a program or a project with." },
      ...programFlags,
      ...checkFlags,
      {
        long: "dry-run",
        text: "Print what would be composed, or the command that would start QEMU, and start nothing.",
      },
    ],
    examples: [
      { line: "capstan run ./server -f 8080 -- --port 8080", text: "a program of this machine, with its libraries" },
      { line: "capstan run app.py --dry-run", text: "what a Python script would take along" },
      { line: "capstan run", text: "compose and run the project of this folder" },
      { line: "capstan run hello -f 8080 -m 256M", text: "port 8080 of the guest is port 8080 here" },
      { line: "capstan run hello --execute '/hello --loud'", text: "another command, this time" },
    ],
    load: () => import("./commands/run.ts"),
  },
  {
    name: "check",
    summary: "Tell what will go wrong when a project, an image or a program boots",
    details: [
      "Without an argument, the project of this folder is checked. Nothing is booted or started: everything is read from the files. The same check runs whenever an image is composed.",
      "Each finding has a code, a severity and a path, says why in a sentence, and what to do in another. docs/reference/findings.md lists the codes.",
    ],
    args: [
      { name: "target", optional: true, kind: "file", text: "A project's folder, an image, or the path of a program." },
    ],
    flags: [
      { ...loaderFlag, text: "The kernel to check a program or a project against." },
      ...programFlags,
      {
        long: "strict",
        text: "Fail on warnings too; without it, only on errors: what keeps a program from starting.",
      },
    ],
    examples: [
      { line: "capstan check", text: "the project of this folder" },
      { line: "capstan check /usr/bin/redis-server --json", text: "a program of this machine, for scripts" },
    ],
    load: () => import("./commands/check.ts"),
  },
  {
    name: "compose",
    summary: "Compose an image from a folder or a file, without packages",
    args: [
      { name: "name", text: "The name of the new image." },
      { name: "path", kind: "file", text: "A folder whose content becomes the root, or one file." },
    ],
    flags: [
      loaderFlag,
      sizeFlag,
      { long: "command_line", short: "c", also: ["command-line"], value: "COMMAND", text: "The boot command." },
      fsFlag,
      followFlag,
      ...checkFlags,
      ...remoteFlags,
    ],
    examples: [{ line: "capstan compose hello ./root -c /hello", text: "boots /hello of the folder `root`" }],
    load: () => import("./commands/compose.ts"),
  },
  {
    name: "images",
    also: ["i"],
    summary: "List the images of the store",
    args: [],
    flags: [],
    load: () => import("./commands/images.ts"),
  },
  {
    name: "search",
    summary: "List the images that the remotes have",
    args: [{ name: "text", optional: true, text: "Only those whose name contains it." }],
    flags: [...remoteFlags],
    load: () => import("./commands/search.ts"),
  },
  {
    name: "pull",
    summary: "Fetch an image, such as a loader with its kernel, into the store",
    args: [{ name: "image", text: "Its name, such as osv-loader." }],
    flags: [...remoteFlags, allowChangedFlag],
    examples: [{ line: "capstan pull osv-loader", text: "the kernel of OSv's newest release" }],
    load: () => import("./commands/pull.ts"),
  },
  {
    name: "remote list",
    summary: "List the remotes, in the order in which they are asked",
    args: [],
    flags: [],
    load: () => import("./commands/remote-list.ts"),
  },
  {
    name: "remote add",
    summary: "Add a remote to config.yaml",
    args: [
      { name: "name", text: "What it is called." },
      {
        name: "address",
        kind: "folder",
        text: "OWNER/NAME of a repository on GitHub, the URL of an S3 bucket, or the URL or folder of a repository with an index.",
      },
    ],
    flags: [
      {
        long: "type",
        value: "TYPE",
        choices: ["github", "s3", "index"],
        text: "What it is; told from the address without it.",
      },
      {
        long: "key",
        value: "BASE64",
        many: true,
        text: "A public key: the index has to be signed by one of those given.",
      },
      { long: "api-url", value: "URL", text: "The API of a GitHub Enterprise server." },
      { long: "release-tag", short: "r", value: "TAG", text: "The release of a GitHub repository." },
    ],
    examples: [
      { line: "capstan remote add team https://packages.example.com/capstan/", text: "static hosting of one's own" },
    ],
    load: () => import("./commands/remote-add.ts"),
  },
  {
    name: "remote remove",
    summary: "Remove a remote from config.yaml",
    args: [{ name: "name", text: "The remote." }],
    flags: [],
    load: () => import("./commands/remote-remove.ts"),
  },
  {
    name: "remote test",
    summary: "Ask the remotes for what they have, and tell what they answer",
    args: [],
    flags: [...remoteFlags],
    load: () => import("./commands/remote-test.ts"),
  },
  {
    name: "repo init",
    summary: "Make a folder a repository, which any web server or bucket can host",
    args: [{ name: "dir", kind: "folder", text: "The folder." }],
    flags: [],
    load: () => import("./commands/repo-init.ts"),
  },
  {
    name: "repo add",
    summary: "Put packages and images into a repository, and into its index",
    args: [
      { name: "dir", kind: "folder", text: "The repository." },
      { name: "file", many: true, kind: "file", text: ".mpm files, or the file of an image." },
    ],
    flags: [
      { long: "name", short: "n", value: "NAME", text: "The name of the image; that of its file without it." },
      { long: "kernel", value: "FILE", kind: "file", text: "The kernel ELF that goes with the image." },
      { long: "replace", text: "Take another content under a name and version that is there." },
    ],
    examples: [{ line: "capstan repo add ./site hello.mpm", text: "for all who have that repository as a remote" }],
    load: () => import("./commands/repo-add.ts"),
  },
  {
    name: "repo index",
    summary: "Write the index of a repository anew, from the files that are there",
    details: [
      "A folder in the layout of the original (packages/, mike/osv-loader/) becomes a repository by this alone.",
    ],
    args: [{ name: "dir", kind: "folder", text: "The repository." }],
    flags: [
      {
        long: "html",
        text: "Also write web pages for people: what there is, with requirements, files and how to use it.",
      },
      { long: "title", value: "TEXT", text: "The title of these pages." },
    ],
    load: () => import("./commands/repo-index.ts"),
  },
  {
    name: "repo sign",
    summary: "Sign the index of a repository, and print the public key",
    args: [{ name: "dir", kind: "folder", text: "The repository." }],
    flags: [
      {
        long: "key",
        value: "FILE",
        kind: "file",
        text: "The file of the secret key (Ed25519, PEM), outside the repository.",
      },
      { long: "new-key", value: "FILE", kind: "file", text: "Make a key into this file, and sign with it." },
    ],
    load: () => import("./commands/repo-sign.ts"),
  },
  {
    name: "repo check",
    summary: "Tell what is wrong with a repository: missing halves, digests, requirements that nothing meets",
    args: [{ name: "dir", kind: "folder", text: "The repository." }],
    flags: [{ long: "public-key", value: "KEY", many: true, text: "A key that has to have signed the index." }],
    load: () => import("./commands/repo-check.ts"),
  },
  {
    name: "repo mirror",
    summary: "Copy what a remote has into a repository; what is there already is not fetched again",
    args: [
      { name: "remote", text: "A remote by its name, or the URL or folder of a repository with an index." },
      { name: "dir", kind: "folder", text: "The repository." },
    ],
    flags: [
      {
        long: "filter",
        value: "TEXT",
        many: true,
        text: "Only names that contain it, or match it where it has a `*`.",
      },
      {
        long: "arch",
        value: "ARCH",
        many: true,
        choices: ["x86_64", "aarch64"],
        text: "The architecture; that of this machine without it.",
      },
      { long: "replace", text: "Take what has changed under the same name and version." },
      ...remoteFlags.filter(({ long }) => long === "release-tag"),
    ],
    load: () => import("./commands/repo-mirror.ts"),
  },
  {
    name: "repo publish",
    summary: "Upload a repository to an S3 bucket or another folder, the index last",
    details: [
      "For s3://BUCKET/PREFIX, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION and AWS_ENDPOINT_URL are read from the environment.",
    ],
    args: [
      { name: "dir", kind: "folder", text: "The repository." },
      { name: "target", kind: "folder", text: "s3://BUCKET/PREFIX, or a folder." },
    ],
    flags: [],
    load: () => import("./commands/repo-publish.ts"),
  },
  {
    name: "repo serve",
    summary: "Serve a repository by HTTP until Ctrl-C: index, S3 listing and GitHub releases in one",
    args: [{ name: "dir", kind: "folder", text: "The repository." }],
    flags: [
      { long: "port", value: "PORT", fallback: "8080", text: "The port; 0 takes a free one." },
      {
        long: "host",
        value: "ADDRESS",
        fallback: "127.0.0.1",
        text: "The address to listen at; 0.0.0.0 for all that can reach this machine.",
      },
    ],
    load: () => import("./commands/repo-serve.ts"),
  },
  {
    name: "import",
    summary: "Put an image or a loader file into the store",
    details: ["The file is a raw or qcow2 disk image that boots: it has a boot sector."],
    args: [
      { name: "name", text: "The name it gets in the store." },
      { name: "file", kind: "file", text: "The image file." },
    ],
    flags: [
      { long: "version", short: "v", value: "TEXT", text: "The version to note with it." },
      { long: "created", short: "c", value: "TIME", text: "The creation time to note with it." },
      { long: "description", short: "d", value: "TEXT", text: "The description to note with it." },
      { long: "build", short: "b", value: "COMMAND", text: "The build command to note with it." },
      {
        long: "kernel",
        value: "FILE",
        kind: "file",
        text: "The kernel ELF of the same build, for the direct boot of what is composed with it.",
      },
    ],
    examples: [
      {
        line: "capstan import osv-loader loader.img --kernel loader-stripped.elf",
        text: "the loader of an OSv that was built here",
      },
    ],
    load: () => import("./commands/import.ts"),
  },
  {
    name: "rmi",
    summary: "Remove an image from the store",
    args: [{ name: "name", kind: "image", many: true, text: "The image." }],
    flags: [],
    load: () => import("./commands/rmi.ts"),
  },
  {
    name: "image inspect",
    summary: "Tell what an image holds: format, loader, boot command, partitions, file system",
    args: [imageArgument],
    flags: [],
    load: () => import("./commands/image-inspect.ts"),
  },
  {
    name: "image ls",
    summary: "List a folder of an image",
    args: [imageArgument, { name: "path", optional: true, text: "A path inside it; / without one." }],
    flags: [{ long: "recursive", short: "R", text: "List everything below, too." }],
    load: () => import("./commands/image-ls.ts"),
  },
  {
    name: "image tree",
    summary: "Draw the folders and files of an image",
    args: [imageArgument, { name: "path", optional: true, text: "A path inside it; / without one." }],
    flags: [],
    load: () => import("./commands/image-tree.ts"),
  },
  {
    name: "image cat",
    summary: "Print a file of an image",
    args: [imageArgument, { name: "path", text: "The file inside it." }],
    flags: [],
    load: () => import("./commands/image-cat.ts"),
  },
  {
    name: "image cp",
    summary: "Copy a file or a folder out of an image",
    args: [
      imageArgument,
      { name: "path", text: "A file or folder inside it." },
      { name: "target", kind: "file", text: "Where to; an existing folder gets the copy inside." },
    ],
    flags: [{ long: "force", short: "f", text: "Overwrite files that are there." }],
    load: () => import("./commands/image-cp.ts"),
  },
  {
    name: "package init",
    summary: "Start a package: write meta/package.yaml",
    args: [{ name: "path", optional: true, kind: "folder", text: "The folder; this one without it." }],
    flags: [
      { long: "name", short: "n", value: "NAME", text: "The package's name." },
      { long: "title", short: "t", value: "TEXT", text: "What it is, in a few words." },
      { long: "author", short: "a", value: "TEXT", text: "Who made it." },
      { long: "version", short: "v", value: "VERSION", text: "Its version." },
      { ...requireFlag, text: "A package that it needs; may be given more than once." },
      { long: "runtime", value: "NAME", kind: "runtime", text: "Also write the meta/run.yaml of this runtime." },
      { long: "platform", short: "p", value: "TEXT", text: "The distribution that its binaries were built on." },
      { long: "force", short: "f", text: "Overwrite what is there." },
    ],
    examples: [{ line: "capstan package init -n hello -t 'Says hello' -a me --runtime native", text: "a new package" }],
    load: () => import("./commands/package-init.ts"),
  },
  {
    name: "package build",
    summary: "Pack the package of this folder into NAME.mpm",
    args: [{ name: "path", optional: true, kind: "folder", text: "The folder; this one without it." }],
    flags: [],
    load: () => import("./commands/package-build.ts"),
  },
  {
    name: "package import",
    summary: "Put the package of this folder, or .mpm files, into the store",
    args: [{ name: "path", optional: true, many: true, kind: "file", text: "Package folders or .mpm files." }],
    flags: [],
    load: () => import("./commands/package-import.ts"),
  },
  {
    name: "package add",
    summary: "Copy programs of this machine, with all that they load, into the project of this folder",
    details: [
      "Libraries, interpreters and their files go where the linker of the image looks for them. meta/programs.yaml notes what was asked for, by which `package refresh` goes, and meta/programs.files where each file came from. A project without a meta/run.yaml gets one with a set for each program, of which the first is the default.",
    ],
    args: [
      {
        name: "program",
        optional: true,
        many: true,
        kind: "file",
        text: "ELF programs, scripts, .jar files or folders of applications.",
      },
    ],
    flags: [
      ...programFlags,
      { ...loaderFlag, text: "The kernel that the package is for: it decides how programs start." },
      { long: "force", short: "f", text: "Overwrite files of the project that did not come from here." },
      { long: "dry-run", text: "Show what would be copied, and write nothing." },
    ],
    examples: [
      { line: "capstan package add /usr/bin/redis-server", text: "redis and its libraries" },
      { line: "capstan package add ./server --with certificates", text: "a program that opens TLS connections" },
    ],
    load: () => import("./commands/package-add.ts"),
  },
  {
    name: "package refresh",
    summary: "Bring what `package add` copied up to date, and show what changed",
    details: ["A file that was edited in the project since stays as it is, and is told of; --force replaces it."],
    args: [],
    flags: [
      { ...loaderFlag, text: "The kernel that the package is for." },
      { long: "force", short: "f", text: "Overwrite files that were edited in the project." },
      { long: "dry-run", text: "Show what would change, and write nothing." },
    ],
    load: () => import("./commands/package-refresh.ts"),
  },
  {
    name: "package list",
    summary: "List the packages of the store",
    args: [],
    flags: [],
    load: () => import("./commands/package-list.ts"),
  },
  {
    name: "package search",
    summary: "List the packages that the remotes have",
    args: [{ name: "text", optional: true, text: "Only those whose name contains it." }],
    flags: [...remoteFlags],
    load: () => import("./commands/package-search.ts"),
  },
  {
    name: "package pull",
    summary: "Fetch packages, and all that they require, into the store",
    details: [
      "What comes is verified, and put into the store whole or not at all; what was cut off is resumed. The first remote that has a package is taken.",
    ],
    args: [{ name: "name", many: true, text: "NAME, NAME@VERSION or a range such as 'NAME>=1.2'." }],
    flags: [...remoteFlags, allowChangedFlag],
    examples: [{ line: "capstan package pull osv.bootstrap", text: "OSv's base files, of its newest release" }],
    load: () => import("./commands/package-pull.ts"),
  },
  {
    name: "package update",
    summary: "Fetch newer versions of the packages in the store",
    args: [{ name: "text", optional: true, text: "Only those whose name contains it." }],
    flags: [
      { long: "created", text: "Also those of the same version that were made later." },
      { long: "dry-run", text: "Show what would be fetched, and fetch nothing." },
      ...remoteFlags,
      allowChangedFlag,
    ],
    load: () => import("./commands/package-update.ts"),
  },
  {
    name: "package outdated",
    summary: "List the packages of the store that the remotes have newer",
    args: [{ name: "text", optional: true, text: "Only those whose name contains it." }],
    flags: [{ long: "created", text: "Also those of the same version that were made later." }, ...remoteFlags],
    load: () => import("./commands/package-outdated.ts"),
  },
  {
    name: "package lock",
    summary: "Note in capstan.lock exactly which packages and which loader the image of this project is made of",
    args: [],
    flags: [requireFlag, loaderFlag, pullMissingFlag, ...remoteFlags],
    load: () => import("./commands/package-lock.ts"),
  },
  {
    name: "package verify",
    summary: "Compare the store with capstan.lock",
    args: [],
    flags: [requireFlag, loaderFlag],
    load: () => import("./commands/package-verify.ts"),
  },
  {
    name: "package describe",
    summary: "Tell what a package of the store is, how it runs and what it holds",
    args: [{ name: "name", kind: "package", text: "The package." }],
    flags: [{ long: "content", short: "c", text: "List its files, too." }],
    load: () => import("./commands/package-describe.ts"),
  },
  {
    name: "package collect",
    summary: "Write what would be composed into the folder mpm-pkg",
    args: [],
    flags: [
      pullMissingFlag,
      requireFlag,
      { long: "remote", text: "Collect for `package compose-remote`." },
      followFlag,
      ...remoteFlags.filter(({ long }) => long !== "remote"),
    ],
    load: () => import("./commands/package-collect.ts"),
  },
  {
    name: "package compose",
    summary: "Compose the package of this folder and all that it requires into an image",
    args: [{ name: "name", text: "The name of the new image." }],
    flags: [
      sizeFlag,
      { long: "update", text: "Compose only if something changed since the image was composed." },
      { long: "frozen", text: "Refuse to compose from anything else than what capstan.lock says." },
      { long: "run", value: "COMMAND", text: "The boot command." },
      pullMissingFlag,
      bootFlag,
      envFlag,
      fsFlag,
      requireFlag,
      loaderFlag,
      followFlag,
      ...checkFlags,
      ...remoteFlags,
    ],
    examples: [{ line: "capstan package compose hello --boot default", text: "boots the set `default`" }],
    load: () => import("./commands/package-compose.ts"),
  },
  {
    name: "runtime list",
    summary: "List the runtimes that meta/run.yaml can name",
    args: [],
    flags: [],
    load: () => import("./commands/runtime-list.ts"),
  },
  {
    name: "runtime preview",
    summary: "Show the meta/run.yaml that a runtime starts with",
    args: [],
    flags: [
      { long: "runtime", short: "r", value: "NAME", kind: "runtime", text: "The runtime." },
      { long: "plain", text: "Without comments." },
    ],
    load: () => import("./commands/runtime-preview.ts"),
  },
  {
    name: "runtime init",
    summary: "Write the meta/run.yaml that a runtime starts with",
    args: [],
    flags: [
      { long: "runtime", short: "r", value: "NAME", kind: "runtime", text: "The runtime." },
      { long: "plain", text: "Without comments." },
      { long: "force", short: "f", text: "Overwrite the meta/run.yaml that is there." },
    ],
    load: () => import("./commands/runtime-init.ts"),
  },
  {
    name: "instances",
    also: ["I"],
    summary: "List the instances",
    args: [],
    flags: [],
    load: () => import("./commands/instances.ts"),
  },
  {
    name: "stop",
    summary: "Stop a running instance: ask it to power off, wait, then end it",
    args: [{ name: "name", kind: "instance", text: "The instance." }],
    flags: [
      {
        long: "time",
        short: "t",
        value: "SECONDS",
        fallback: "10",
        text: "How long to wait for the guest to power off.",
      },
    ],
    load: () => import("./commands/stop.ts"),
  },
  {
    name: "delete",
    summary: "Delete a stopped instance and its disk",
    args: [{ name: "name", kind: "instance", text: "The instance." }],
    flags: [],
    load: () => import("./commands/delete.ts"),
  },
  {
    name: "config print",
    summary: "Show the settings in force and where each comes from",
    args: [],
    flags: [],
    load: () => import("./commands/config-print.ts"),
  },
  {
    name: "completion",
    summary: "Print the completion script for a shell",
    args: [{ name: "shell", choices: ["bash", "zsh", "fish"], text: "The shell." }],
    flags: [],
    examples: [{ line: "source <(capstan completion bash)", text: "completes in this shell" }],
    load: () => import("./commands/completion.ts"),
  },
  {
    name: "help",
    summary: "Show the help of a command",
    args: [{ name: "command", optional: true, many: true, text: "The command." }],
    flags: [],
    load: () => import("./commands/completion.ts"),
  },
  {
    name: "__names",
    hidden: true,
    summary: "Names for the shell's completion",
    args: [{ name: "kind", choices: ["image", "package", "instance", "runtime"], text: "What to list." }],
    flags: [],
    load: () => import("./commands/names.ts"),
  },
];
