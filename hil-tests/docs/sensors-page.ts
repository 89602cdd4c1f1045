import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "@paddock/base/clock.ts";
import { silentLog } from "@paddock/base/log.ts";
import { Ingest } from "@paddock/gateway/ingest/ingest.ts";
import { Sensors } from "@paddock/gateway/ingest/sensors.ts";
import { UdpListeners } from "@paddock/gateway/ingest/udp-listener.ts";
import { resolveSenml } from "@paddock/wire/senml-read.ts";
import { codeBlock } from "./code-block.ts";

/** The examples of docs/sensors.md, as they stand there, and a real listener that they send to. */
export class SensorsPage {
  readonly directory: string;
  readonly port: string;
  readonly #listeners: UdpListeners;
  readonly #taken: Buffer[];

  private constructor(directory: string, listeners: UdpListeners, taken: Buffer[]) {
    this.directory = directory;
    this.port = String(listeners.addresses()[0]!.port);
    this.#listeners = listeners;
    this.#taken = taken;
  }

  static async open(): Promise<SensorsPage> {
    const taken: Buffer[] = [];
    const ingest = new Ingest({
      sink: {
        submit({ frame }, committed) {
          taken.push(Buffer.from(frame));
          committed?.(undefined);
          return undefined;
        },
      },
      sensors: new Sensors({ unknown: "accept" }),
      clock: systemClock,
    });
    const listen = [{ address: "::1", port: 0 }];
    const listeners = await UdpListeners.open({ ingest, clock: systemClock, log: silentLog, listen });
    return new SensorsPage(await mkdtemp(join(tmpdir(), "paddock-sensors-")), listeners, taken);
  }

  async close(): Promise<void> {
    await this.#listeners.close();
    await rm(this.directory, { recursive: true });
  }

  /** Writes the page's example in this language into a file, and returns its path. */
  async save(name: string, language: string): Promise<string> {
    const file = join(this.directory, name);
    await writeFile(file, codeBlock(await pageText(), language));
    return file;
  }

  /** What was taken since the last call, resolved. */
  taken(): unknown[] {
    return this.#taken.splice(0).map((frame) => {
      const resolved = resolveSenml(frame, { now: 1 });
      return resolved.ok ? resolved.value : resolved;
    });
  }
}

export function pageText(): Promise<string> {
  return readFile(new URL("../../docs/sensors.md", import.meta.url), "utf8");
}

/** What every example of the page sends. */
export const FIRST_READING = [{ name: "barn:temp", unit: "Cel", value: 21.5 }];
