/** e_machine as a name for messages and tables. Source: the registry of the gABI, as in glibc's elf.h. */
export function machineName(number: number): string {
  return NAMES.get(number) ?? `machine ${number}`;
}

const NAMES: ReadonlyMap<number, string> = new Map([
  [2, "sparc"],
  [3, "i386"],
  [4, "m68k"],
  [8, "mips"],
  [15, "hppa"],
  [18, "sparc32plus"],
  [20, "ppc"],
  [21, "ppc64"],
  [22, "s390"],
  [40, "arm"],
  [42, "sh"],
  [43, "sparc64"],
  [50, "ia64"],
  [62, "x86-64"],
  [83, "avr"],
  [93, "arc"],
  [94, "xtensa"],
  [164, "hexagon"],
  [183, "aarch64"],
  [189, "microblaze"],
  [190, "cuda"],
  [224, "amdgpu"],
  [243, "riscv"],
  [247, "bpf"],
  [252, "csky"],
  [258, "loongarch"],
  [0x9026, "alpha"],
]);
