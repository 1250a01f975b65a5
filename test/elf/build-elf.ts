/** A minimal ELF file, made field by field after the gABI: for classes and byte orders that no compiler here makes. */
export interface ElfSpec {
  readonly bits?: 32 | 64;
  readonly byteOrder?: "little" | "big";
  /** e_machine */
  readonly machine?: number;
  /** e_type: 2 is ET_EXEC, 3 ET_DYN. */
  readonly type?: number;
  readonly entry?: number;
  readonly interpreter?: string;
  readonly needed?: readonly string[];
  readonly soname?: string;
  readonly rpath?: string;
  readonly runpath?: string;
  readonly flags1?: number;
  readonly debug?: boolean;
  /** False for a file without PT_DYNAMIC. */
  readonly dynamic?: boolean;
  readonly tls?: { readonly size: number; readonly alignment: number };
  readonly notes?: readonly { readonly owner: string; readonly type: number; readonly description: Uint8Array }[];
  readonly symbols?: readonly SymbolSpec[];
  /** What tells the number of symbols. */
  readonly hash?: "sysv" | "gnu" | "none";
  /** .gnu.version_r: index, file and name; only with symbols. */
  readonly versionsNeeded?: readonly { readonly file: string; readonly name: string; readonly index: number }[];
  readonly versionsDefined?: readonly { readonly name: string; readonly index: number; readonly base?: boolean }[];
  /** Types of relocations, for DT_RELA. */
  readonly relocations?: readonly number[];
  /** Tags that are added as they are. */
  readonly tags?: readonly (readonly [tag: number, value: number])[];
}

export interface SymbolSpec {
  readonly name: string;
  readonly binding: number;
  readonly type: number;
  readonly visibility?: number;
  readonly section: number;
  readonly version?: number;
}

const BASE = 0x10000;

export function buildElf(spec: ElfSpec = {}): Buffer {
  const { bits = 64, byteOrder = "little", type = 3, symbols = [] } = spec;
  const wide = bits === 64;
  const parts: Buffer[] = [];
  let size = 0;
  const fields = (...all: readonly (readonly [width: 1 | 2 | 4 | 8, value: number])[]) => {
    const bytes = Buffer.alloc(all.reduce((sum, [width]) => sum + width, 0));
    let at = 0;
    for (const [width, value] of all) {
      if (width === 8) {
        if (byteOrder === "little") bytes.writeBigUInt64LE(BigInt(value), at);
        else bytes.writeBigUInt64BE(BigInt(value), at);
      } else if (byteOrder === "little") bytes.writeUIntLE(value, at, width);
      else bytes.writeUIntBE(value, at, width);
      at += width;
    }
    return bytes;
  };
  const word = wide ? 8 : 4;
  const put = (bytes: Buffer) => {
    const at = size;
    const padded = Buffer.alloc(Math.ceil(bytes.length / 8) * 8);
    bytes.copy(padded);
    parts.push(padded);
    size += padded.length;
    return at;
  };
  let strings = "\0";
  const text = (value: string) => {
    const at = Buffer.byteLength(strings);
    strings += `${value}\0`;
    return at;
  };

  const headerSize = wide ? 64 : 52;
  const segmentSize = wide ? 56 : 32;
  const hasDynamic = spec.dynamic !== false;
  const segmentCount =
    1 + Number(hasDynamic) + [spec.interpreter, spec.tls, spec.notes].filter((one) => one !== undefined).length;
  put(Buffer.alloc(headerSize + segmentCount * segmentSize));

  const segments: { type: number; offset: number; size: number; memory?: number; align?: number }[] = [];
  if (spec.interpreter !== undefined) {
    const bytes = Buffer.from(`${spec.interpreter}\0`);
    segments.push({ type: 3, offset: put(bytes), size: bytes.length });
  }
  if (spec.notes !== undefined) {
    const bytes = Buffer.concat(
      spec.notes.map(({ owner, type: kind, description }) => {
        const padded = (from: Uint8Array) => Buffer.concat([from, Buffer.alloc(-from.length & 3)]);
        const name = Buffer.from(`${owner}\0`);
        return Buffer.concat([
          fields([4, name.length], [4, description.length], [4, kind]),
          padded(name),
          padded(description),
        ]);
      }),
    );
    segments.push({ type: 4, offset: put(bytes), size: bytes.length, align: 4 });
  }
  if (spec.tls !== undefined) {
    segments.push({ type: 7, offset: 0, size: 0, memory: spec.tls.size, align: spec.tls.alignment });
  }

  const tags: (readonly [number, number])[] = [];
  for (const name of spec.needed ?? []) tags.push([1, text(name)]);
  if (spec.soname !== undefined) tags.push([14, text(spec.soname)]);
  if (spec.rpath !== undefined) tags.push([15, text(spec.rpath)]);
  if (spec.runpath !== undefined) tags.push([29, text(spec.runpath)]);
  if (spec.flags1 !== undefined) tags.push([0x6ffffffb, spec.flags1]);
  if (spec.debug) tags.push([21, 0]);

  if (spec.symbols !== undefined) {
    const all = [{ name: "", binding: 0, type: 0, section: 0 } as SymbolSpec, ...symbols];
    const table = Buffer.concat(
      all.map((symbol) => {
        const name = symbol.name === "" ? 0 : text(symbol.name);
        const info = (symbol.binding << 4) | symbol.type;
        const other = symbol.visibility ?? 0;
        return wide
          ? fields([4, name], [1, info], [1, other], [2, symbol.section], [8, 0], [8, 0])
          : fields([4, name], [4, 0], [4, 0], [1, info], [1, other], [2, symbol.section]);
      }),
    );
    tags.push([6, BASE + put(table)]);
    if (all.some(({ version }) => version !== undefined)) {
      tags.push([
        0x6ffffff0,
        BASE + put(Buffer.concat(all.map(({ version = 1 }, index) => fields([2, index === 0 ? 0 : version])))),
      ]);
    }
    if (spec.hash === "sysv") {
      const chains = all.map(() => [4, 0] as const);
      tags.push([4, BASE + put(fields([4, 1], [4, all.length], [4, 0], ...chains))]);
    }
    if (spec.hash === "gnu") {
      // One bucket with all symbols but the first: a chain whose last hash is odd.
      const chain = symbols.map((_, index) => [4, index === symbols.length - 1 ? 1 : 2] as const);
      const head = [
        [4, 1],
        [4, 1],
        [4, 1],
        [4, 0],
        [wide ? 8 : 4, 0],
      ] as const;
      tags.push([0x6ffffef5, BASE + put(fields(...head, [4, symbols.length === 0 ? 0 : 1], ...chain))]);
    }
  }
  if (spec.versionsNeeded !== undefined) {
    const files = [...new Set(spec.versionsNeeded.map(({ file }) => file))];
    const records = files.map((file, index) => {
      const own = spec.versionsNeeded?.filter((one) => one.file === file) ?? [];
      const next = index === files.length - 1 ? 0 : 16 + own.length * 16;
      return Buffer.concat([
        fields([2, 1], [2, own.length], [4, text(file)], [4, 16], [4, next]),
        ...own.map(({ name, index: number }, at) =>
          fields([4, 0], [2, 0], [2, number], [4, text(name)], [4, at === own.length - 1 ? 0 : 16]),
        ),
      ]);
    });
    tags.push([0x6ffffffe, BASE + put(Buffer.concat(records))], [0x6fffffff, files.length]);
  }
  if (spec.versionsDefined !== undefined) {
    const all = spec.versionsDefined;
    const records = all.map(({ name, index, base }, at) =>
      Buffer.concat([
        fields([2, 1], [2, base ? 1 : 0], [2, index], [2, 1], [4, 0], [4, 20], [4, at === all.length - 1 ? 0 : 28]),
        fields([4, text(name)], [4, 0]),
      ]),
    );
    tags.push([0x6ffffffc, BASE + put(Buffer.concat(records))], [0x6ffffffd, all.length]);
  }
  if (spec.relocations !== undefined) {
    const table = Buffer.concat(
      spec.relocations.map((kind) =>
        wide ? fields([8, 0], [8, 2 ** 32 + kind], [8, 0]) : fields([4, 0], [4, 256 + kind], [4, 0]),
      ),
    );
    tags.push([7, BASE + put(table)], [8, table.length], [9, wide ? 24 : 12]);
  }
  if (hasDynamic) {
    const table = Buffer.from(strings);
    tags.push([5, BASE + put(table)], [10, table.length], ...(spec.tags ?? []), [0, 0]);
    const bytes = fields(
      ...tags.flatMap(
        ([tag, value]) =>
          [
            [word, tag],
            [word, value],
          ] as const,
      ),
    );
    segments.push({ type: 2, offset: put(bytes), size: bytes.length });
  }
  segments.unshift({ type: 1, offset: 0, size, memory: size });

  const programHeaders = segments.map(({ type: kind, offset, size: length, memory = length, align = 8 }) =>
    wide
      ? fields([4, kind], [4, 4], [8, offset], [8, BASE + offset], [8, 0], [8, length], [8, memory], [8, align])
      : fields([4, kind], [4, offset], [4, BASE + offset], [4, 0], [4, length], [4, memory], [4, 4], [4, align]),
  );
  const ident = Buffer.from([
    0x7f,
    0x45,
    0x4c,
    0x46,
    wide ? 2 : 1,
    byteOrder === "little" ? 1 : 2,
    1,
    ...Array(9).fill(0),
  ]);
  const header = fields(
    ...([
      [2, type],
      [2, spec.machine ?? 62],
      [4, 1],
      [word, spec.entry ?? 0],
      [word, headerSize],
      [word, 0],
    ] as const),
    ...([
      [4, 0],
      [2, headerSize],
      [2, segmentSize],
      [2, segments.length],
      [2, 0],
      [2, 0],
      [2, 0],
    ] as const),
  );
  const file = Buffer.concat(parts);
  Buffer.concat([ident, header, ...programHeaders]).copy(file);
  return file;
}
