/**
 * The names that a package of this shared library may have, the likeliest first, by Debian's rules: "libfoo.so.3" is in
 * libfoo3, "libfoo-1.2.so.3" and "libfoo2.so.3" in one that ends in "-3", and those that were rebuilt for 64-bit times end
 * in "t64" (Debian Policy 8.1). Empty for what is not named like a library.
 */
export function libraryPackageNames(fileName: string): readonly string[] {
  const [, stem, version] = /^(lib[^/]*?)\.so(?:\.([0-9][0-9.]*))?$/.exec(fileName) ?? [];
  if (stem === undefined) return [];
  const base = stem.toLowerCase().replaceAll("_", "-");
  if (version === undefined) return [base, `${base}t64`];
  const joined = [/[0-9]$/.test(base) ? `${base}-${version}` : `${base}${version}`];
  const [major = version] = version.split(".");
  if (major !== version) joined.push(/[0-9]$/.test(base) ? `${base}-${major}` : `${base}${major}`);
  if (/[0-9]$/.test(base)) joined.push(base);
  return joined.flatMap((name) => [name, `${name}t64`]);
}

/** Whether the linker of a program of 64 bits finds the file without being told where: ld.so(8), with Debian's folders for each machine. */
export function isInLibraryDirectory(path: string): boolean {
  return /^\/?(?:usr\/)?(?:lib|lib64)\/(?:[^/]+-linux-[^/]+\/)?[^/]+$/.test(path);
}
