import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { parseForwards } from "../instances/forwards.ts";
import { parseMac } from "../instances/mac.ts";
import { parseMount } from "../instances/mounts/mount.ts";
import { formatNetwork, type NetworkChoice, parseNetwork, parseStaticAddress } from "../instances/network/choice.ts";
import { withAddresses } from "../instances/network/layout.ts";
import { parseRestartPolicy } from "../instances/restart-policy.ts";
import type { PlanInput } from "../instances/run-input.ts";
import { parseCpus, parseMemory } from "../instances/sizes.ts";
import { parseVolume } from "../instances/volume.ts";
import { buildBootCommand } from "../project/boot-command.ts";
import { CapstanError, ExitCode } from "../support/errors.ts";
import type { CommandContext } from "./answer.ts";
import { bootFlags } from "./boot-flags.ts";
import { healthFlags, logSizeFlag } from "./console-flags.ts";
import { durationFlag } from "./durations.ts";
import { type Input, usageError } from "./input.ts";
import { openStore } from "./store.ts";

/** What the flags of `run` say of the machine and of the instance's life. */
export function machineFlags(input: Input, context: CommandContext): Omit<PlanInput, "image" | "name"> {
  const { settings } = openStore(context);
  const [memory, cpus, mac] = [input.text("memory"), input.text("cpus"), input.text("mac")];
  const forwards = input.list("forward");
  const volumes = input.list("volume");
  const mounts = input.list("mount");
  const boot = bootFlags(input, "execute");
  const changesCommand = boot.run !== undefined || boot.boot.length > 0 || boot.env.size > 0;
  return {
    root: settings.root.value,
    memory: memory === undefined ? undefined : parseMemory(memory),
    cpus: cpus === undefined ? undefined : parseCpus(cpus),
    mac: mac === undefined ? undefined : parseMac(mac),
    forwards: forwards.length === 0 ? undefined : parseForwards(forwards),
    volumes: volumes.length === 0 ? undefined : volumes.map((volume) => parseVolume(volume, context.cwd)),
    mounts: mounts.length === 0 ? undefined : mounts.map((mount) => parseMount(mount, context.cwd)),
    networks: networkFlags(input),
    kernel: kernelFlag(input, context),
    commandLine: changesCommand ? (composed) => buildBootCommand({ ...boot, composed }).text : undefined,
    persist: input.on("persist"),
    ...lifeFlags(input),
    acceleration: accelerationFlag(input),
    ...hostSettings(context),
  };
}

function lifeFlags(input: Input): Partial<PlanInput> {
  const restart = input.text("restart");
  if (input.on("rm") && input.on("persist")) throw usageError("--rm and --persist exclude each other.");
  if (!input.on("detach") && input.text("wait-for") !== undefined) {
    throw usageError("--wait-for goes with --detach.", "Without it, the guest's console is this terminal.");
  }
  return {
    removeAtEnd: input.on("rm") ? true : undefined,
    restart: restart === undefined ? undefined : parseRestartPolicy(restart),
    timeoutMs: durationFlag(input, "timeout"),
    health: healthFlags(input),
    logBytes: logSizeFlag(input),
    detached: input.on("detach"),
  };
}

function networkFlags(input: Input): PlanInput["networks"] {
  const networks = input.list("network").map(parseNetwork);
  const addresses = input.list("ip").map(parseStaticAddress);
  const device = input.text("bridge");
  if (device === undefined && networks.length === 0 && addresses.length === 0) return undefined;
  return withAddresses(device === undefined ? networks : withDevice(networks, device), addresses);
}

/** The original's -b, for the first network that can have a device and names none. */
function withDevice(networks: readonly NetworkChoice[], device: string): readonly NetworkChoice[] {
  const modes = ["bridge", "tap", "vhost"];
  const index = networks.findIndex((one) => modes.includes(one.mode) && one.device === undefined);
  const chosen = networks[index];
  if (chosen === undefined) {
    throw usageError("--bridge goes with --network bridge, tap or vhost.", "Name the mode too: -n bridge -b virbr0.");
  }
  return networks.with(index, parseNetwork(formatNetwork({ ...chosen, device })));
}

function kernelFlag(input: Input, context: CommandContext): PlanInput["kernel"] {
  const kernel = input.text("kernel");
  if (input.on("no-kernel") && kernel !== undefined) throw usageError("--kernel and --no-kernel exclude each other.");
  if (input.on("no-kernel")) return false;
  if (kernel === undefined) return undefined;
  const path = resolve(context.cwd, kernel);
  if (existsSync(path)) return path;
  throw new CapstanError(`The kernel ${path} does not exist`, {
    code: "no-such-kernel",
    exitCode: ExitCode.noInput,
    hint: "Check the path of --kernel.",
  });
}

function accelerationFlag(input: Input): PlanInput["acceleration"] {
  const wanted = input.text("accel");
  return wanted === "kvm" || wanted === "hvf" || wanted === "tcg" ? wanted : "auto";
}

/** What the tool's own settings say of running on this machine. */
export function hostSettings(context: CommandContext): Pick<PlanInput, "disableKvm" | "aio" | "proofKernel"> {
  const { settings, builtin } = openStore(context);
  return {
    disableKvm: settings.disableKvm.value,
    aio: settings.qemuAioType.value,
    proofKernel: existsSync(builtin.kernel ?? "") ? builtin.kernel : undefined,
  };
}
