import { findVirtiofsd } from "../../instances/mounts/find-virtiofsd.ts";
import { type Finding, fromError, ok, type Patient } from "./finding.ts";

/** Only run --mount needs it. */
export async function checkFolders({ context }: Patient): Promise<readonly Finding[]> {
  try {
    const { path, version, kind } = await findVirtiofsd(context);
    return [
      ok("virtiofsd", `virtiofsd ${version} (${path})${kind === "c" ? ", the old one, which root only can use" : ""}`),
    ];
  } catch (error) {
    const { text, ...rest } = fromError("virtiofsd", "warning", error);
    return [{ ...rest, text: `${text}: run --mount does not work` }];
  }
}
