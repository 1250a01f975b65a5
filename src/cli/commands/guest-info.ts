import { guestInfo } from "../../instances/guest/info.ts";
import { formatSize } from "../../support/bytes.ts";
import type { Answer, CommandContext } from "../answer.ts";
import { withGuest } from "../guest.ts";
import type { Input } from "../input.ts";
import { printable } from "../output.ts";

export async function run(input: Input, context: CommandContext): Promise<Answer> {
  const value = await withGuest(input, context, guestInfo);
  const rows: readonly (readonly [string, string])[] = [
    ["System", `${value.os} ${value.version}`],
    ["Hostname", value.hostname],
    ["Up for", formatUptime(value.uptime)],
    ["Memory", `${formatSize(value.memoryFree)} free of ${formatSize(value.memoryTotal)}`],
    ["Processors", String(value.processors)],
    ["Boot command", value.commandLine],
    ...value.addresses.map(({ interface: name, address }) => [`Address of ${name}`, address] as const),
    ...value.filesystems.map(
      (it) => [it.mount, `${formatSize(it.free)} free of ${formatSize(it.size)} (${it.device})`] as const,
    ),
  ];
  return {
    value,
    text: () => rows.map(([key, text]) => `${printable(`${key}:`.padEnd(20))} ${printable(text)}\n`).join(""),
  };
}

function formatUptime(seconds: number): string {
  const [days, hours, minutes] = [
    Math.floor(seconds / 86_400),
    Math.floor(seconds / 3600) % 24,
    Math.floor(seconds / 60) % 60,
  ];
  if (days > 0) return `${days}d ${hours}h`;
  if (hours > 0) return `${hours}h ${minutes}m`;
  return minutes > 0 ? `${minutes}m ${Math.floor(seconds) % 60}s` : `${Math.floor(seconds)}s`;
}
