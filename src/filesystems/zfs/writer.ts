import type { Reporter } from "../../support/reporter.ts";
import { emissionOrder } from "../content.ts";
import type { WritableDevice } from "../device.ts";
import type { DirectoryEntry, FileEntry } from "../filetree.ts";
import { emitPlanned, type Reuse } from "../reuse.ts";
import { ROOT_OBJECT, tooSmall, type ZfsPlan } from "./plan.ts";
import { checkRoom } from "./room.ts";
import { Allocator } from "./write/allocator.ts";
import { FileData, spanOf } from "./write/file-data.ts";
import { writeFileSystem } from "./write/file-system.ts";
import { writeLabels } from "./write/labels.ts";
import { ObjectTable } from "./write/object-table.ts";
import type { WrittenObjset } from "./write/objset.ts";
import { noUsage, PoolOutput } from "./write/output.ts";
import { writePool } from "./write/pool.ts";

export { planZfs, type ZfsOptions, type ZfsPlan, type ZfsRoot } from "./plan.ts";

export interface WriteZfsOptions {
  readonly signal?: AbortSignal | undefined;
  readonly reporter?: Reporter | undefined;
  /** Takes what an older file system has from there: the result is the same. */
  readonly reuse?: Reuse | undefined;
}

/** What a pool takes of its partition, in bytes. */
export interface WrittenZfs {
  readonly allocated: number;
  /** Where on the device the bytes of each file of the plan lie in one piece and as they are; negative where they do not. */
  readonly starts: Float64Array;
}

/**
 * Writes the pool to `device`, which reads as zeros still: the files as their bytes come, then what describes them,
 * each block once and in the order of the device, and at last the labels. Nothing is written where it shows before that
 * it cannot fit. Flushing is the caller's.
 *
 * Errors: CapstanError `image-too-small`, `names-collide`; those of `emitContents` and of the device; RangeError when the
 * device is smaller than the plan.
 */
export async function writeZfs(
  plan: ZfsPlan,
  device: WritableDevice,
  options: WriteZfsOptions = {},
): Promise<WrittenZfs> {
  if (device.size < plan.size) throw new RangeError(`${plan.size} bytes do not fit a device of ${device.size}`);
  await checkRoom(plan, options.signal);
  const allocator = new Allocator(plan.geometry);
  const output = new PoolOutput(device, allocator, () => tooSmall(plan.size, plan.enough));
  const starts = new Float64Array(plan.files.length).fill(-1);
  const data = await writeData(plan, output, { ...options, starts });
  const empty = plan.root === "osv/zfs" ? writeEmpty(plan, output) : undefined;
  const pool = writePool(output, { plan, allocator, data, empty });
  output.finish();
  writeLabels(device, pool, plan);
  return { allocated: allocator.allocated, starts };
}

interface DataOptions extends WriteZfsOptions {
  /** Is filled. */
  readonly starts: Float64Array;
}

async function writeData(plan: ZfsPlan, output: PoolOutput, options: DataOptions): Promise<WrittenObjset> {
  const { signal, reporter, reuse, starts } = options;
  const usage = noUsage();
  const objects = new ObjectTable(plan.nodes.length);
  const files = new FileData({
    ...{ output, usage, sizes: plan.files.map(({ size }) => size) },
    ...{ objects, places: plan.fileNodes, starts },
  });
  const order = emissionOrder(plan.files);
  const inOrder: FileEntry[] = [];
  for (const index of order) {
    const file = plan.files[index];
    if (file !== undefined) inOrder.push(file);
  }
  await emitPlanned(inOrder, {
    ...{ signal, reuse },
    run: {
      spanOf: (number) => spanOf(plan.files[order[number] ?? 0]?.size ?? 0),
      copy: ({ indexes, ...run }) => files.copy({ ...run, indexes: indexes.map((number) => order[number] ?? 0) }),
    },
    onProgress: (done, total) =>
      reporter?.report({ kind: "progress", text: "Writing files", done, total, unit: "bytes" }),
    write: (number, chunk) => files.write(order[number] ?? 0, chunk),
  });
  return writeFileSystem(output, { plan, objects, usage });
}

function writeEmpty({ latestTime, timestamp }: ZfsPlan, output: PoolOutput): WrittenObjset {
  const entry: DirectoryEntry = { type: "directory", mode: 0o755, mtime: timestamp, origin: "", children: new Map() };
  const plan = { nodes: [{ entry, parent: ROOT_OBJECT, links: 2, children: [] }], latestTime };
  return writeFileSystem(output, { plan, objects: new ObjectTable(1), usage: noUsage() });
}
