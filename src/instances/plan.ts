import { existsSync } from "node:fs";
import { join } from "node:path";
import { thisHost } from "../hypervisors/host.ts";
import type { Acceleration } from "../hypervisors/machine.ts";
import { chooseAcceleration } from "../hypervisors/qemu/acceleration.ts";
import { findQemu, type Qemu } from "../hypervisors/qemu/find.ts";
import { GiB } from "../support/bytes.ts";
import type { Context } from "../support/context.ts";
import { CapstanError, ExitCode } from "../support/errors.ts";
import { isPersisted } from "./acquire.ts";
import { type InstanceConfig, readConfig } from "./config.ts";
import { cacheFolder, FILES, instanceFolder } from "./layout.ts";
import { isHeld, readLock } from "./lock.ts";
import { checkCanShare } from "./mounts/can-share.ts";
import { checkMounts } from "./mounts/mount.ts";
import { checkInstanceName, instanceNameOfImage } from "./names.ts";
import { layOut } from "./network/layout.ts";
import { NO_RESTART } from "./restart-policy.ts";
import type { PlanInput, RunImage } from "./run-input.ts";
import { checkVolumes } from "./volume.ts";

/** What is known before anything is made. */
export interface Plan {
  readonly name: string;
  readonly imageName: string;
  /** Undefined for a persisted instance, which has all it needs. */
  readonly image: RunImage | undefined;
  /** Of a persisted instance. */
  readonly saved: InstanceConfig | undefined;
  readonly config: Omit<InstanceConfig, "commandLine">;
  /** Whether disk and configuration outlive the run. */
  readonly isKept: boolean;
  readonly qemu: Qemu;
  readonly acceleration: Acceleration;
  /** The ELF to boot directly; undefined for a boot through the BIOS. */
  readonly kernel: string | undefined;
  /** What tells this machine and its $CAPSTAN_ROOT from others. */
  readonly place: string;
}

/** Checks what is asked for, and finds what it takes. @throws CapstanError of many codes */
export async function makePlan(input: PlanInput, context: Context): Promise<Plan> {
  const { image, root } = input;
  const name = instanceNameOf(input);
  const goesOn = isPersisted(root, name) && !wantsAnother(input, name);
  const saved = goesOn ? await readConfig(instanceFolder(root, name)) : undefined;
  if (saved === undefined && image === undefined) throw noImage(name);
  if (saved !== undefined) checkSameImage(name, saved, input);
  const config = {
    image: saved?.image ?? image?.name ?? "",
    memory: input.memory ?? saved?.memory ?? GiB,
    cpus: input.cpus ?? saved?.cpus ?? 2,
    networks: input.networks ?? saved?.networks ?? [],
    forwards: input.forwards ?? saved?.forwards ?? [],
    volumes: input.volumes ?? saved?.volumes ?? [],
    mounts: input.mounts ?? saved?.mounts ?? [],
    mac: input.mac ?? saved?.mac,
    restart: input.restart ?? saved?.restart ?? NO_RESTART,
    timeoutMs: input.timeoutMs ?? saved?.timeoutMs,
    health: input.health ?? saved?.health,
    logBytes: input.logBytes ?? saved?.logBytes,
    labels: input.labels ?? saved?.labels ?? {},
    removeAtEnd: input.removeAtEnd ?? saved?.removeAtEnd ?? false,
  } as const;
  checkVolumes(config.volumes);
  checkMounts(config.mounts);
  layOut({ networks: config.networks, forwards: config.forwards.length });

  const host = input.host ?? thisHost();
  const cache = cacheFolder(root);
  const qemu = await findQemu({ env: context.env, cwd: context.cwd, cacheFolder: cache, platform: host.platform });
  checkCanShare(config.mounts, qemu);
  const { acceleration, warning } = await chooseAcceleration({
    wanted: input.acceleration ?? "auto",
    disabled: input.disableKvm ?? false,
    qemu,
    host,
    cacheFolder: cache,
    proofKernel: input.proofKernel,
    signal: context.signal,
  });
  if (warning !== undefined) context.reporter.report({ kind: "warning", text: warning.text, hint: warning.hint });
  if (warning?.detail !== undefined) context.reporter.report({ kind: "detail", text: warning.detail });
  return {
    ...{ name, saved, config, qemu, acceleration },
    imageName: config.image,
    image: saved === undefined ? image : undefined,
    isKept: saved !== undefined || input.persist === true || (input.detached === true && !config.removeAtEnd),
    kernel: saved === undefined ? chooseKernel(input.kernel, image?.kernel) : keptKernel(input.kernel, root, name),
    place: `${host.hostname}:${root}`,
  };
}

/** In the background, an image that runs already is run once more, by another name, unless the name matters. */
function wantsAnother({ root, image, detached, exactName, persist }: PlanInput, name: string): boolean {
  if (image === undefined || detached !== true || exactName === true || persist === true) return false;
  const lock = readLock(instanceFolder(root, name));
  return lock !== undefined && isHeld(lock);
}

/** The name that is asked for. @throws CapstanError `bad-instance-name`, `nothing-to-run` (64) */
export function instanceNameOf({ image, name }: Pick<PlanInput, "image" | "name">): string {
  if (name !== undefined) return checkInstanceName(name.replaceAll("/", "-"));
  if (image !== undefined) return instanceNameOfImage(image.name);
  throw new CapstanError("There is nothing to run: neither an image nor an instance is named", {
    code: "nothing-to-run",
    hint: "Name one: capstan run IMAGE",
    exitCode: ExitCode.usage,
  });
}

/** An instance goes on with its own disk, whatever becomes of the image; another image is another instance. */
function checkSameImage(name: string, saved: InstanceConfig, { image }: PlanInput): void {
  if (image === undefined || saved.image === "" || saved.image === image.name) return;
  throw new CapstanError(`The instance ${name} is there already, made from the image ${saved.image}`, {
    code: "instance-exists",
    hint: `Start it with capstan start ${name}, give the new one another name with --name, or delete the old one: capstan delete ${name}`,
    exitCode: ExitCode.cannotCreate,
  });
}

function noImage(name: string): CapstanError {
  return new CapstanError(`There is neither an image nor an instance ${name}`, {
    code: "no-such-instance",
    hint: "See what there is: capstan images, capstan instances",
    exitCode: ExitCode.noInput,
  });
}

function chooseKernel(asked: string | false | undefined, usual: string | undefined): string | undefined {
  return asked === false ? undefined : (asked ?? usual);
}

/** A persisted instance keeps the kernel that it was made with. */
function keptKernel(asked: string | false | undefined, root: string, name: string): string | undefined {
  const kept = join(instanceFolder(root, name), FILES.kernel);
  return chooseKernel(asked, existsSync(kept) ? kept : undefined);
}
