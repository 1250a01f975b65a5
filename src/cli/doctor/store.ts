import { accessSync, constants, existsSync, lstatSync, readdirSync, statSync } from "node:fs";
import { userInfo } from "node:os";
import { basename, dirname, join } from "node:path";
import { openImage } from "../../disks/image.ts";
import { listInstances } from "../../instances/list.ts";
import { listImages } from "../../store/images.ts";
import { isRunning } from "../../store/lock.ts";
import { listPackages } from "../../store/packages.ts";
import { temporaryOwner } from "../../support/atomic.ts";
import { CapstanError } from "../../support/errors.ts";
import { type Finding, failure, fromError, ok, type Patient, warning } from "./finding.ts";

/** Whether what lies under $CAPSTAN_ROOT is whole and can be written. Nothing is changed. */
export async function checkStore(patient: Patient): Promise<readonly Finding[]> {
  const { root } = patient.store.layout;
  if (!existsSync(root)) return aboutParent(root);
  const problems = [
    ...ownership(root),
    ...images(patient),
    ...packages(patient),
    ...(await instances(patient)),
    ...leftovers(patient),
  ];
  if (problems.length > 0) return problems;
  const [imageCount, packageCount] = [
    listImages(patient.store.layout).length,
    listPackages(patient.store.layout).length,
  ];
  return [ok("store", `${root} is sound: ${count(imageCount, "image")}, ${count(packageCount, "package")}`)];
}

export function checkKernel({ store }: Patient): readonly Finding[] {
  const { image, kernel } = store.builtin;
  if (existsSync(image) && kernel !== undefined && existsSync(kernel)) return [];
  return [failure("installation", "The built-in kernel is missing", "Install Capstan again.")];
}

function aboutParent(root: string): readonly Finding[] {
  const parent = nearest(dirname(root));
  try {
    accessSync(parent, constants.W_OK);
    return [ok("store", `${root} is not there yet: it is made when something is put into it`)];
  } catch {
    return [
      failure("store", `${root} is not there, and you may not make it`, "Point CAPSTAN_ROOT at a folder of yours."),
    ];
  }
}

function nearest(path: string): string {
  return existsSync(path) || dirname(path) === path ? path : nearest(dirname(path));
}

/** What a `sudo capstan` leaves behind: folders that the user cannot write any more. */
function ownership(root: string): readonly Finding[] {
  const folders = [
    root,
    ...["repository", "packages", "instances", "instances/qemu", "cache"].map((name) => join(root, name)),
  ];
  const closed = folders.filter((folder) => existsSync(folder) && !isWritable(folder));
  if (closed.length === 0) return [];
  const cure = `Make it yours again: sudo chown -R ${userInfo().username} ${root}`;
  return [failure("store", `You may not write ${closed.join(", ")}`, cure)];
}

function isWritable(folder: string): boolean {
  try {
    accessSync(folder, constants.W_OK | constants.X_OK);
    return statSync(folder).isDirectory();
  } catch {
    return false;
  }
}

function images({ store }: Patient): readonly Finding[] {
  return listImages(store.layout).flatMap(({ name, path, problem }) => {
    const text = problem ?? diskProblem(path);
    if (text === undefined) return [];
    const cure = `Make or fetch it again, or remove it: capstan rmi ${name}`;
    return [warning("store", `The image ${name}: ${text}`, cure)];
  });
}

/** Files that are named images and are kernels or other things are no damage: only a disk that does not open is. */
function diskProblem(path: string): string | undefined {
  try {
    openImage(path, { backing: "refuse" }).close();
    return undefined;
  } catch (error) {
    if (!(error instanceof CapstanError)) throw error;
    return error.message;
  }
}

function packages({ store }: Patient): readonly Finding[] {
  const { layout } = store;
  const listed = listPackages(layout);
  const broken = listed.flatMap(({ name, problem }) =>
    problem === undefined
      ? []
      : [
          warning(
            "store",
            `The package ${name}: ${problem}`,
            "Correct the file, or fetch or import the package again.",
          ),
        ],
  );
  const known = new Set(listed.map(({ name }) => name));
  const halves = names(layout.packages)
    .filter((file) => !file.startsWith(".") && /\.(mpm|yaml)$/.test(file))
    .filter((file) => !known.has(file.replace(/\.(mpm|yaml)$/, "")))
    .map((file) => {
      const lacks = file.endsWith(".mpm") ? "its description (.yaml)" : "its archive (.mpm)";
      const cure = "Fetch or import the package again, or delete the file.";
      return warning("store", `${join(layout.packages, file)} lacks ${lacks}`, cure);
    });
  return [...broken, ...halves];
}

async function instances({ store }: Patient): Promise<readonly Finding[]> {
  try {
    const listed = await listInstances(store.settings.root.value);
    return listed.flatMap(({ name, reason }) =>
      reason === undefined
        ? []
        : [
            warning(
              "instances",
              `The instance ${name}: ${reason}`,
              `See capstan inspect ${name}, or give it up: capstan delete ${name}`,
            ),
          ],
    );
  } catch (error) {
    return [fromError("instances", "failure", error)];
  }
}

/** What processes that were killed have left; the next ones that write there sweep it after a day. */
function leftovers({ store }: Patient): readonly Finding[] {
  const { layout } = store;
  const folders = [layout.packages, layout.packageIndexes, layout.repository, ...below(layout.repository)];
  const left = folders.flatMap((folder) =>
    names(folder)
      .filter((name) => isAbandoned(name))
      .map((name) => join(folder, name)),
  );
  const aside = names(join(layout.instances, "qemu")).filter((name) => name.startsWith(".gone-"));
  const all = [...left, ...aside.map((name) => join(layout.instances, "qemu", name))];
  if (all.length === 0) return [];
  const shown = all.slice(0, 3).join(", ");
  const text = `${count(all.length, "file or folder", "files or folders")} left by commands that were killed: ${shown}`;
  return [warning("store", all.length > 3 ? `${text}, …` : text, "Delete them when no capstan is running.")];
}

function isAbandoned(name: string): boolean {
  const owner = temporaryOwner(basename(name));
  return owner !== undefined && !isRunning(owner);
}

function below(folder: string): string[] {
  return names(folder)
    .map((name) => join(folder, name))
    .filter((path) => lstatSync(path, { throwIfNoEntry: false })?.isDirectory() === true);
}

function names(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function count(number: number, one: string, many = `${one}s`): string {
  return `${number} ${number === 1 ? one : many}`;
}
