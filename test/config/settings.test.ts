import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readSettings, type Settings } from "../../src/config/settings.ts";

let home: string;

beforeAll(() => {
  home = mkdtempSync(join(tmpdir(), "capstan-test-"));
});
afterAll(() => rmSync(home, { recursive: true, force: true }));

/** The settings with this config.yaml in the store, and these variables. */
function settings(configText: string | undefined, env: Readonly<Record<string, string>> = {}): Settings {
  const root = mkdtempSync(join(home, "root-"));
  if (configText !== undefined) writeFileSync(join(root, "config.yaml"), configText);
  return readSettings({ cwd: home, env: { HOME: home, CAPSTAN_ROOT: root, ...env } });
}

test("without a file and variables, the defaults", () => {
  const { repositoryUrl, disableKvm, qemuAioType, releaseTag, qemuPath } = settings(undefined);
  expect({ disableKvm, qemuAioType, releaseTag, qemuPath }).toEqual({
    disableKvm: { value: false, from: "default" },
    qemuAioType: { value: "threads", from: "default" },
    releaseTag: { value: "any", from: "default" },
    qemuPath: { value: undefined, from: "default" },
  });
  expect(repositoryUrl.from).toBe("default");
});

test("D17: release_tag of the file is read", () => {
  expect(settings("release_tag: v0.57.0\n").releaseTag).toEqual({ value: "v0.57.0", from: "config.yaml" });
});

test("D17: the environment comes before the file for KVM and the aio type, as in the original", () => {
  const file = "disable_kvm: true\nqemu_aio_type: native\n";
  expect(settings(file)).toMatchObject({
    disableKvm: { value: true, from: "config.yaml" },
    qemuAioType: { value: "native", from: "config.yaml" },
  });
  expect(settings(file, { CAPSTAN_DISABLE_KVM: "0", CAPSTAN_QEMU_AIO_TYPE: "threads" })).toMatchObject({
    disableKvm: { value: false, from: "environment" },
    qemuAioType: { value: "threads", from: "environment" },
  });
});

test("D17: the file comes before the environment for the repository, as in the original", () => {
  const env = { CAPSTAN_REPO_URL: "http://b" };
  expect(settings("repo_url: http://a\n", env).repositoryUrl).toEqual({ value: "http://a", from: "config.yaml" });
  expect(settings("", env).repositoryUrl).toEqual({ value: "http://b", from: "environment" });
});

test("an empty variable is as good as none", () => {
  expect(settings("disable_kvm: yes\n", { CAPSTAN_DISABLE_KVM: "", CAPSTAN_REPO_URL: "" })).toMatchObject({
    disableKvm: { value: true, from: "config.yaml" },
    repositoryUrl: { from: "default" },
  });
});

test.each([
  ["", "the home folder's"],
  ["store", "relative to the current folder"],
])("CAPSTAN_ROOT '%s': %s", (value) => {
  mkdirSync(join(home, "store"), { recursive: true });
  const { root } = readSettings({ cwd: home, env: { HOME: home, CAPSTAN_ROOT: value } });
  expect(root.value).toBe(value === "" ? join(home, ".capstan") : join(home, value));
});

test.each([
  ["disable_kvm: perhaps\n", {}, "'disable_kvm' must be true or false"],
  ["qemu_aio_type: io_uring\n", {}, "threads or native"],
  ["repo_url: [\n", {}, "config.yaml"],
  ["", { CAPSTAN_QEMU_AIO_TYPE: "io_uring" }, "CAPSTAN_QEMU_AIO_TYPE is 'io_uring'"],
  ["", { CAPSTAN_DISABLE_KVM: "perhaps" }, "CAPSTAN_DISABLE_KVM is 'perhaps'"],
])("what is wrong is told: %j %j", (file, env, words) => {
  expect(() => settings(file, env)).toThrow(words);
});

test("keys of newer versions are left alone", () => {
  expect(settings("colour: red\ndisable_kvm: true\n").disableKvm.value).toBe(true);
});
