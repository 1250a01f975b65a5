import type { ElfFile } from "../elf/elf-file.ts";

/** What differs by machine in finding libraries. */
export interface MachineFacts {
  /** Where distributions put the dynamic linker, for libraries, which do not name one. */
  readonly interpreters: readonly string[];
  /** Debian's folder below /lib and /usr/lib. Source: dpkg-architecture(1), DEB_HOST_MULTIARCH. */
  readonly multiarch: string | undefined;
  /** The folder of glibc upstream: "lib64" (slibdir in glibc's sysdeps/.../configure). */
  readonly lib: string;
  /** The bits 0xff00 of an entry's flags in ld.so.cache. Source: sysdeps/generic/ldconfig.h of glibc. */
  readonly cacheFlags: readonly number[];
  /** $PLATFORM: AT_PLATFORM of the oldest CPU, since that of the guest is not known. */
  readonly platform: string;
  /** The name in ld-musl-ARCH.so.1. Source: arch/ of musl. */
  readonly musl: string;
}

/** Facts of the machine that an ELF file is for; of unknown machines what all 32 or 64 bit ones have. */
export function machineFacts({
  machine,
  bits,
  byteOrder,
}: Pick<ElfFile, "machine" | "bits" | "byteOrder">): MachineFacts {
  const key = `${machine} ${bits}${byteOrder === "big" ? " big" : ""}`;
  return FACTS.get(key) ?? unknownMachine(machine, bits);
}

function unknownMachine(machine: string, bits: 32 | 64): MachineFacts {
  const lib = bits === 64 ? "lib64" : "lib";
  return { interpreters: [], multiarch: undefined, lib, cacheFlags: [], platform: machine, musl: machine };
}

const FACTS: ReadonlyMap<string, MachineFacts> = new Map<string, MachineFacts>([
  [
    "x86-64 64",
    {
      interpreters: ["/lib64/ld-linux-x86-64.so.2", "/lib/ld-musl-x86_64.so.1"],
      multiarch: "x86_64-linux-gnu",
      lib: "lib64",
      cacheFlags: [0x0300],
      platform: "x86_64",
      musl: "x86_64",
    },
  ],
  [
    "x86-64 32",
    {
      interpreters: ["/libx32/ld-linux-x32.so.2", "/lib/ld-musl-x32.so.1"],
      multiarch: "x86_64-linux-gnux32",
      lib: "libx32",
      cacheFlags: [0x0800],
      platform: "x86_64",
      musl: "x32",
    },
  ],
  [
    "i386 32",
    {
      interpreters: ["/lib/ld-linux.so.2", "/lib/ld-musl-i386.so.1"],
      multiarch: "i386-linux-gnu",
      lib: "lib",
      cacheFlags: [0],
      platform: "i686",
      musl: "i386",
    },
  ],
  [
    "aarch64 64",
    {
      interpreters: ["/lib/ld-linux-aarch64.so.1", "/lib/ld-musl-aarch64.so.1"],
      multiarch: "aarch64-linux-gnu",
      lib: "lib64",
      cacheFlags: [0x0a00],
      platform: "aarch64",
      musl: "aarch64",
    },
  ],
  [
    "arm 32",
    {
      interpreters: ["/lib/ld-linux-armhf.so.3", "/lib/ld-linux.so.3", "/lib/ld-musl-armhf.so.1"],
      multiarch: "arm-linux-gnueabihf",
      lib: "lib",
      cacheFlags: [0x0900, 0x0b00, 0],
      platform: "v7l",
      musl: "armhf",
    },
  ],
  [
    "riscv 64",
    {
      interpreters: ["/lib/ld-linux-riscv64-lp64d.so.1", "/lib/ld-musl-riscv64.so.1"],
      multiarch: "riscv64-linux-gnu",
      lib: "lib64/lp64d",
      cacheFlags: [0x1000, 0x0f00],
      platform: "riscv64",
      musl: "riscv64",
    },
  ],
  [
    "ppc64 64",
    {
      interpreters: ["/lib64/ld64.so.2", "/lib/ld-musl-powerpc64le.so.1"],
      multiarch: "powerpc64le-linux-gnu",
      lib: "lib64",
      cacheFlags: [0x0500],
      platform: "power8",
      musl: "powerpc64le",
    },
  ],
  [
    "ppc64 64 big",
    {
      interpreters: ["/lib64/ld64.so.1", "/lib64/ld64.so.2", "/lib/ld-musl-powerpc64.so.1"],
      multiarch: "powerpc64-linux-gnu",
      lib: "lib64",
      cacheFlags: [0x0500],
      platform: "power4",
      musl: "powerpc64",
    },
  ],
  [
    "s390 64 big",
    {
      interpreters: ["/lib/ld64.so.1", "/lib/ld-musl-s390x.so.1"],
      multiarch: "s390x-linux-gnu",
      lib: "lib64",
      cacheFlags: [0x0400],
      platform: "z900",
      musl: "s390x",
    },
  ],
  [
    "loongarch 64",
    {
      interpreters: ["/lib64/ld-linux-loongarch-lp64d.so.1", "/lib/ld-musl-loongarch64.so.1"],
      multiarch: "loongarch64-linux-gnu",
      lib: "lib64",
      cacheFlags: [0x1200, 0x1100],
      platform: "loongarch64",
      musl: "loongarch64",
    },
  ],
]);
