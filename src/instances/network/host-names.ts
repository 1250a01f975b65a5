/** A name and where it leads, as a line of /etc/hosts. */
export interface HostsEntry {
  /** IPv4. */
  readonly address: string;
  readonly names: readonly string[];
}

/** The host name of an instance: its own name, in the letters that host names have. Undefined when nothing is left of it. */
export function hostNameOf(instance: string): string | undefined {
  const name = instance
    .toLowerCase()
    .replace(/[^a-z0-9_.-]+/g, "-")
    .replace(/^[^a-z0-9]+|[^a-z0-9]+$/g, "")
    .slice(0, 63)
    .replace(/[^a-z0-9]+$/, "");
  return name === "" ? undefined : name;
}
