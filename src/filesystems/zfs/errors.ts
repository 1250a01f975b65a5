import { CapstanError } from "../../support/errors.ts";

/** CapstanError `bad-zfs`: what was read contradicts itself or its checksum. */
export function corrupt(why: string): never {
  throw new CapstanError(`The ZFS pool is damaged: ${why}`, {
    code: "bad-zfs",
    hint: "Compose the image anew, or take a copy of it from before the damage.",
  });
}

/** CapstanError `zfs-feature`: the pool may be sound, but not all of ZFS can be read here. */
export function unsupported(what: string): never {
  throw new CapstanError(`The ZFS pool cannot be read: ${what}`, {
    code: "zfs-feature",
    hint: "Only pools with one disk and the features that OSv knows can be read.",
  });
}
