import type { InstanceInfo } from "../instances/list.ts";
import { formatSize } from "../support/bytes.ts";
import { columnWidths, formatColumns } from "./table-text.ts";

/** The columns of the original's table, and their widths, which scripts may count on. */
const FIRST = ["Name", "Platform", "Status", "Image"];
const FIRST_WIDTHS = [35, 10, 10, 15];
const OTHERS = ["Since", "Health", "Ports", "Memory", "CPUs", "Reason"];

/** What `instances` shows. */
export function formatInstances(infos: readonly InstanceInfo[], now: Date): string {
  const rows = [[...FIRST, ...OTHERS], ...infos.map((info) => cells(info, now))];
  const widths = columnWidths(rows).map((width, column) => Math.max(width, FIRST_WIDTHS[column] ?? 0));
  return formatColumns(rows, widths);
}

function cells(info: InstanceInfo, now: Date): string[] {
  const { name, platform, status, image, since, health, ports, memory, cpus, reason } = info;
  return [
    ...[name, platform, status, image],
    since === undefined ? "-" : ago(now.getTime() - Date.parse(since)),
    health ?? "-",
    ports.length === 0 ? "-" : ports.join(","),
    memory === undefined ? "-" : formatSize(memory).replace(" ", ""),
    cpus === undefined ? "-" : String(cpus),
    reason ?? "",
  ];
}

const UNITS = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["m", 60_000],
] as const;

function ago(milliseconds: number): string {
  const [unit, length] = UNITS.find(([, each]) => milliseconds >= each) ?? ["s", 1000];
  return `${Math.max(Math.floor(milliseconds / length), 0)}${unit}`;
}
