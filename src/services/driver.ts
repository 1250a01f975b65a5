import type { Service } from "./services-file.ts";

/** Labels by which the instances of a project are found again. */
export const LABELS = {
  project: "capstan.project",
  service: "capstan.service",
  number: "capstan.number",
  /** What it was made from: another one means that it must be made anew. */
  origin: "capstan.origin",
} as const;

/** An instance that `up` has made, as it is now. */
export interface ServiceInstance {
  readonly name: string;
  readonly service: string;
  /** From 1 on. */
  readonly number: number;
  readonly origin: string;
  readonly state: string;
  readonly isRunning: boolean;
  readonly health: string | undefined;
  readonly guestStatus: number | undefined;
  /** Why it failed; of an unhealthy one, what its health check saw. */
  readonly reason: string | undefined;
}

/** A service of which the image is there. */
export interface PreparedService {
  readonly service: Service;
  /** What tells one image, and one set of settings, from others. */
  readonly origin: string;
  readonly create: (instance: { readonly name: string; readonly number: number }) => Promise<void>;
}

/** What bringing services up and down needs of the instances of this machine. */
export interface Driver {
  /** Those of the project, whatever the file says today. */
  list(): Promise<readonly ServiceInstance[]>;
  prepare(service: Service): Promise<PreparedService>;
  /** Starts one again that is there. */
  start(name: string): Promise<void>;
  stop(name: string, graceMs: number): Promise<void>;
  delete(name: string): Promise<void>;
}
