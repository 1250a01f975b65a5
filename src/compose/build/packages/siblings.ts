/**
 * The packages that a Debian package is one half of: those that it depends on in its own very version, as packages do that
 * were split from one source (redis-server has its program in redis-tools). As apt takes them: `name=version`.
 * Sources: deb-control(5) for the fields, Debian policy 7.1 for the syntax of `Depends`.
 */
export function siblingPackages(control: string): readonly string[] {
  const fields = fieldsOf(control);
  const version = fields.get("version");
  return neededBy(fields).flatMap((text) => {
    const [, name, exact] = /^([a-z0-9][a-z0-9+.-]+)(?::\w+)? \(= ?([^()\s]+)\)$/.exec(text.trim()) ?? [];
    return name !== undefined && exact !== undefined && exact === version ? [`${name}=${version}`] : [];
  });
}

/** The names of the packages that a Debian package depends on; of alternatives the first. */
export function neededPackages(control: string): readonly string[] {
  return neededBy(fieldsOf(control)).flatMap((text) => /^[a-z0-9][a-z0-9+.-]+/.exec(text.trim())?.[0] ?? []);
}

type Fields = ReadonlyMap<string, string>;

function fieldsOf(control: string): Fields {
  const fields = new Map<string, string>();
  for (const line of control.replace(/\n[ \t]+/g, " ").split("\n")) {
    const [, name, value] = /^([A-Za-z-]+):(.*)$/s.exec(line) ?? [];
    if (name !== undefined && value !== undefined) fields.set(name.toLowerCase(), value.trim());
  }
  return fields;
}

function neededBy(fields: Fields): readonly string[] {
  return [fields.get("pre-depends"), fields.get("depends")].flatMap((value) => value?.split(",") ?? []);
}
