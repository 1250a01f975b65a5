/**
 * The packages that a Debian package is one half of: those that it depends on in its own very version, as packages do that
 * were split from one source (redis-server has its program in redis-tools). As apt takes them: `name=version`.
 * Sources: deb-control(5) for the fields, Debian policy 7.1 for the syntax of `Depends`.
 */
export function siblingPackages(control: string): readonly string[] {
  const fields = new Map<string, string>();
  for (const line of control.replace(/\n[ \t]+/g, " ").split("\n")) {
    const [, name, value] = /^([A-Za-z-]+):\s*(.*)$/.exec(line) ?? [];
    if (name !== undefined && value !== undefined) fields.set(name.toLowerCase(), value.trim());
  }
  const version = fields.get("version");
  const needed = [fields.get("pre-depends"), fields.get("depends")].flatMap((value) => value?.split(",") ?? []);
  return needed.flatMap((text) => {
    const [, name, exact] = /^([a-z0-9][a-z0-9+.-]+)(?::\w+)? \(= ?([^()\s]+)\)$/.exec(text.trim()) ?? [];
    return name !== undefined && exact !== undefined && exact === version ? [`${name}=${version}`] : [];
  });
}
