import { createHash } from "node:crypto";
import { statSync } from "node:fs";
import type { Forward } from "../hypervisors/machine.ts";
import { deleteInstance } from "../instances/delete.ts";
import { parseForwards } from "../instances/forwards.ts";
import { instanceFolder } from "../instances/layout.ts";
import { listInstances } from "../instances/list.ts";
import { parseMac } from "../instances/mac.ts";
import { formatMount, parseMount } from "../instances/mounts/mount.ts";
import type { NetworkChoice } from "../instances/network/choice.ts";
import { parseRestartPolicy } from "../instances/restart-policy.ts";
import { parseCpus, parseMemory } from "../instances/sizes.ts";
import { startInstance } from "../instances/start.ts";
import { readState } from "../instances/state.ts";
import { stopInstance } from "../instances/stop.ts";
import { runDetached } from "../instances/supervisor/launch.ts";
import { buildBootCommand } from "../project/boot-command.ts";
import { type Driver, LABELS, type PreparedService, type ServiceInstance } from "../services/driver.ts";
import { DEFAULT_NETWORK } from "../services/read-file.ts";
import type { NetworkUse, PortMapping, Service, ServicesFile } from "../services/services-file.ts";
import { CapstanError } from "../support/errors.ts";
import type { CommandContext } from "./answer.ts";
import type { Input } from "./input.ts";
import { checkMountPoints } from "./mount-points.ts";
import { imageOf, type ServiceImage } from "./service-image.ts";
import { disksOf, mountOptions } from "./service-volumes.ts";
import { startSettings } from "./start-settings.ts";

/** Joins the services of a file with the store and the instances of this machine. */
export function servicesDriver(file: ServicesFile, input: Input, context: CommandContext): Driver {
  const settings = startSettings(context);
  const { root } = settings;
  const images = new Map<string, Service>();
  return {
    list: async () => await instancesOf(file.name, root),
    prepare: async (service) => {
      try {
        const image = await imageOf(service, input, { ...context, cwd: file.folder });
        checkImageOnce(images, image, service);
        return prepared({ file, service, image }, context);
      } catch (error) {
        throw withPlace(error, service);
      }
    },
    start: async (name) => {
      await startInstance({ ...settings, name }, context);
    },
    stop: async (name, graceMs) => {
      await stopInstance({ root, name, waitMs: graceMs }, context);
    },
    delete: async (name) => {
      await deleteInstance(root, name);
    },
  };
}

/** Two builds of one image would each make the other's anew: projects of one name, or a program put together in two ways. */
function checkImageOnce(images: Map<string, Service>, { name, path }: ServiceImage, service: Service): void {
  const other = images.get(path);
  images.set(path, service);
  if (other === undefined || other.source.kind === "image" || service.source.kind === "image") return;
  if (JSON.stringify(other.source) === JSON.stringify(service.source)) return;
  throw new CapstanError(`${other.name} and ${service.name} are built differently into one image, ${name}`, {
    code: "same-image-name",
    hint: "Give projects different names in their meta/package.yaml, and a program the same settings.",
  });
}

function withPlace(error: unknown, { where, name }: Service): unknown {
  if (!(error instanceof CapstanError) || error.code === "interrupted") return error;
  const { code, hint, exitCode, details } = error;
  return new CapstanError(`${where}: ${name}: ${error.message}`, { code, hint, exitCode, details, cause: error });
}

/** The instances that `up` made for a project. */
export async function instancesOf(project: string, root: string): Promise<readonly ServiceInstance[]> {
  const all = await listInstances(root);
  return all.flatMap((info): readonly ServiceInstance[] => {
    const { labels, name, status, health, guestStatus, reason } = info;
    const state = health === "unhealthy" ? readState(instanceFolder(root, name)) : undefined;
    if (labels[LABELS.project] !== project) return [];
    return [
      {
        ...{ name, health, guestStatus, state: status },
        reason: reason ?? state?.health?.lastOutput,
        service: labels[LABELS.service] ?? "",
        number: Number(labels[LABELS.number]) || 1,
        origin: labels[LABELS.origin] ?? "",
        // Between QEMU's end and its supervisor's, nothing is known of how it ended; and before QEMU's start it is not over.
        isRunning: ["running", "paused", "restarting"].includes(status) || (info.supervisor ?? info.pid) !== undefined,
      },
    ];
  });
}

interface Wanted {
  readonly file: ServicesFile;
  readonly service: Service;
  readonly image: ServiceImage;
}

function prepared(wanted: Wanted, context: CommandContext): PreparedService {
  const { file, service, image } = wanted;
  const origin = originOf(wanted);
  // What cannot be is told before anything is started.
  const common = { ...startSettings(context), ...machineOf(service), image };
  const networks = networksOf(file, service);
  const mounts = service.mounts.map((mount) => parseMount(formatMount(mount), file.folder));
  checkMountPoints({ image, mounts }, context);
  return {
    service,
    origin,
    create: async ({ name, number }) => {
      const volumes = await disksOf(file, service, context);
      const commandLine = (composed: string) => commandOf(wanted, composed, context);
      if (number === 1) checkMountPoints({ image, volumes, commandLine }, context);
      await runDetached(
        {
          ...{ ...common, name, networks, volumes, mounts, commandLine },
          exactName: true,
          forwards: forwardsOf(service.ports, number),
          labels: {
            [LABELS.project]: file.name,
            [LABELS.service]: service.name,
            [LABELS.number]: String(number),
            [LABELS.origin]: origin,
          },
        },
        context,
      );
    },
  };
}

/** Changes with everything that makes an instance another one, and with nothing else. */
function originOf({ file, service, image }: Wanted): string {
  const { size, mtimeMs, ino } = statSync(image.path);
  const { replicas, where, dependsOn, profiles, stopGraceMs, ...rest } = service;
  const disks = service.disks.map(({ volume }) => file.volumes.get(volume)?.name ?? volume);
  const settings = JSON.stringify([rest, [...service.environment], networksOf(file, service), disks]);
  return createHash("sha256")
    .update(`${image.path}\n${size} ${mtimeMs} ${ino}\n${settings}`)
    .digest("hex")
    .slice(0, 16);
}

function machineOf(service: Service) {
  const { memory, cpus, mac, healthcheck } = service;
  return {
    memory: memory === undefined ? undefined : parseMemory(memory),
    cpus: cpus === undefined ? undefined : parseCpus(cpus),
    mac: mac === undefined ? undefined : parseMac(mac),
    // A stopped instance stays so in either case: this is no service that begins with the machine.
    restart: parseRestartPolicy(service.restart === "unless-stopped" ? "always" : service.restart),
    health: healthcheck,
  };
}

/** A card for the outside and the forwarded ports, and one for each network. */
function networksOf(file: ServicesFile, service: Service): readonly NetworkChoice[] {
  return [{ mode: "nat" }, ...usesOf(file, service).map((use) => networkOf(file, service, use))];
}

/** A service all by itself needs no network to meet others in. */
function usesOf({ services }: ServicesFile, { networks, replicas }: Service): readonly NetworkUse[] {
  if (networks.length > 0) return networks;
  return services.size === 1 && replicas <= 1 ? [] : [{ network: DEFAULT_NETWORK, aliases: [], address: undefined }];
}

function networkOf(file: ServicesFile, service: Service, { network, aliases, address }: NetworkUse): NetworkChoice {
  const declared = file.networks.get(network);
  const device = declared?.external === true ? declared.name : `${file.name}_${declared?.name ?? network}`;
  return {
    mode: "network",
    device,
    aliases: [...new Set([service.name, ...aliases])],
    ...(address === undefined ? {} : { address: { address } }),
  };
}

function forwardsOf(ports: readonly PortMapping[], number: number): Forward[] {
  const texts = ports.map(({ protocol, address, guestPort, hostPorts }) => {
    const host = hostPorts[number - 1] ?? hostPorts[0] ?? 0;
    return `${address === "" ? "" : `${address}:`}${host}:${guestPort}/${protocol}`;
  });
  return parseForwards(texts);
}

function commandOf({ file, service, image }: Wanted, composed: string, context: CommandContext): string {
  const { command, environment } = service;
  const { root } = startSettings(context);
  const text = image.commandLine?.(composed) ?? imageCommand(composed, command, environment);
  return [...mountOptions(file, service, root), text].join(" ");
}

function imageCommand(composed: string, command: string | undefined, env: Service["environment"]): string {
  if (command === undefined && env.size === 0) return composed;
  return buildBootCommand({ run: command, runFlag: "'command'", boot: [], env, composed }).text;
}
