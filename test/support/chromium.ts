import { spawn } from "node:child_process";
import { mkdtempSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { findProgram } from "./machine.ts";

/** The distribution's browser under one of its names; undefined where there is none. */
export function findChromium(): string | undefined {
  return findProgram("chromium") ?? findProgram("chromium-browser");
}

export type Answer = Readonly<Record<string, unknown>>;

/**
 * A headless Chromium, steered by the DevTools protocol over a pipe (`--remote-debugging-pipe`: JSON texts that end in
 * a zero byte, on the descriptors 3 and 4), so that it needs no port and no driver.
 */
export class Chromium {
  readonly #process;
  readonly #profile = mkdtempSync(join(tmpdir(), "capstan-chromium-"));
  readonly #waiting = new Map<number, { resolve(answer: Answer): void; reject(error: Error): void }>();
  readonly #listeners: ((method: string, params: Answer) => void)[] = [];
  readonly #exited: Promise<void>;
  #last = 0;

  constructor(program: string) {
    this.#process = spawn(program, [...FLAGS, `--user-data-dir=${this.#profile}`, "about:blank"], {
      stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"],
    });
    this.#exited = new Promise((resolve) => {
      this.#process.on("close", () => {
        for (const { reject } of this.#waiting.values()) reject(new Error("Chromium has ended"));
        resolve();
      });
    });
    (this.#process.stdio[3] as Writable).on("error", () => undefined);
    let text = "";
    (this.#process.stdio[4] as Readable).setEncoding("utf8").on("data", (chunk: string) => {
      const messages = (text + chunk).split("\0");
      text = messages.pop() ?? "";
      for (const message of messages) this.#receive(JSON.parse(message) as Answer);
    });
  }

  /** A new page at this address, loaded; `prepare` is done before. */
  async open(url: string, prepare?: (page: Page) => Promise<unknown>): Promise<Page> {
    const { targetId } = await this.send("Target.createTarget", { url: "about:blank" });
    const { sessionId } = await this.send("Target.attachToTarget", { targetId, flatten: true });
    const page = new Page(this, String(sessionId));
    for (const domain of ["Page", "Runtime", "Log"]) await page.send(`${domain}.enable`);
    await prepare?.(page);
    const loaded = page.next("Page.loadEventFired");
    await page.send("Page.navigate", { url });
    await loaded;
    return page;
  }

  send(method: string, params: Answer = {}, sessionId?: string): Promise<Answer> {
    const id = ++this.#last;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      (this.#process.stdio[3] as Writable).write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    });
  }

  onEvent(listener: (method: string, params: Answer & { readonly sessionId?: string }) => void): void {
    this.#listeners.push(listener);
  }

  async close(): Promise<void> {
    const kill = setTimeout(() => this.#process.kill("SIGKILL"), 5000);
    await this.send("Browser.close").catch(() => undefined);
    await this.#exited;
    clearTimeout(kill);
    // Its helpers may still be writing into it.
    await rm(this.#profile, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  }

  #receive({ id, method, params, result, error, sessionId }: Answer): void {
    if (typeof id !== "number") {
      const event = { ...(params as Answer), sessionId };
      for (const listener of this.#listeners) listener(String(method), event);
      return;
    }
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (error === undefined) waiting?.resolve(result as Answer);
    else waiting?.reject(new Error(JSON.stringify(error)));
  }
}

export class Page {
  /** What its console, its policy and its scripts complained of. */
  readonly complaints: string[] = [];
  readonly #browser: Chromium;
  readonly #session: string;

  constructor(browser: Chromium, session: string) {
    this.#browser = browser;
    this.#session = session;
    browser.onEvent((method, params) => {
      if (params.sessionId !== session || !COMPLAINTS.has(method)) return;
      this.complaints.push(`${method} ${JSON.stringify(params)}`);
    });
  }

  send(method: string, params: Answer = {}): Promise<Answer> {
    return this.#browser.send(method, params, this.#session);
  }

  next(event: string): Promise<void> {
    return new Promise((resolve) => {
      this.#browser.onEvent((method, { sessionId }) => {
        if (method === event && sessionId === this.#session) resolve();
      });
    });
  }

  /** The value of an expression; also where the page itself may run no scripts. */
  async evaluate<T>(expression: string): Promise<T> {
    const { result, exceptionDetails } = await this.send("Runtime.evaluate", { expression, returnByValue: true });
    if (exceptionDetails !== undefined) throw new Error(JSON.stringify(exceptionDetails));
    return (result as { readonly value: T }).value;
  }

  async press(key: "Tab" | "Enter" | "Escape"): Promise<void> {
    const codes = { Tab: 9, Enter: 13, Escape: 27 };
    const event = { key, code: key, windowsVirtualKeyCode: codes[key], ...(key === "Enter" ? { text: "\r" } : {}) };
    await this.send("Input.dispatchKeyEvent", { type: "keyDown", ...event });
    await this.send("Input.dispatchKeyEvent", { type: "keyUp", ...event });
  }

  async type(text: string): Promise<void> {
    await this.send("Input.insertText", { text });
  }
}

const COMPLAINTS = new Set([
  ...["Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded", "Page.javascriptDialogOpening"],
]);

const FLAGS = [
  ...["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage"],
  ...["--disable-background-networking", "--disable-component-update", "--disable-sync", "--remote-debugging-pipe"],
];
