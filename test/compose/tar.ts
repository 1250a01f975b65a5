/** A member of a tar archive, as an attacker would write it: nothing of it is checked. */
export interface TarMember {
  readonly path: string;
  readonly type?: "file" | "symlink" | "hardlink" | "directory";
  readonly content?: string;
  readonly target?: string;
  /** In place of the content's own length. */
  readonly size?: number;
}

const TYPES = { file: "0", hardlink: "1", symlink: "2", directory: "5" } as const;

/** An archive in the format of POSIX.1-1988 (ustar). */
export function tar(members: readonly TarMember[]): Buffer {
  return Buffer.concat([...members.map(encode), Buffer.alloc(1024)]);
}

function encode({ path, type = "file", content = "", target = "", size }: TarMember): Buffer {
  const body = Buffer.from(content);
  const header = Buffer.alloc(512);
  const octal = (value: number, offset: number, length: number) =>
    header.write(`${value.toString(8).padStart(length - 1, "0")}\0`, offset, "latin1");
  header.write(path, 0, 100, "utf8");
  octal(0o644, 100, 8);
  octal(0, 108, 8);
  octal(0, 116, 8);
  octal(size ?? body.length, 124, 12);
  octal(0, 136, 12);
  header.write("        ", 148, "latin1");
  header.write(TYPES[type], 156, "latin1");
  header.write(target, 157, 100, "utf8");
  header.write("ustar\x0000", 257, "latin1");
  octal(
    header.reduce((sum, byte) => sum + byte, 0),
    148,
    7,
  );
  return Buffer.concat([header, body, Buffer.alloc((512 - (body.length % 512)) % 512)]);
}
