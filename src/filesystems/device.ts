/** What a file system needs of a disk. A block device of disks/ is both; file systems know nothing else of disks. */
export interface ReadableDevice {
  /** In bytes. */
  readonly size: number;
  /** Fills the whole of `target` from `offset`; reading beyond `size` is an error of the caller (RangeError). */
  read(target: Uint8Array, offset: number): void;
  /** How many bytes of data the file under it can hold at most; undefined where that is not known. */
  readonly mostData?: number | undefined;
}

export interface WritableDevice {
  /** In bytes. */
  readonly size: number;
  /** Writes all of `data` at `offset`; `data` is the caller's again when the call returns. */
  write(data: Uint8Array, offset: number): void;
}
