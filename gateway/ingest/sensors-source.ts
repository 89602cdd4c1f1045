import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import * as v from "valibot";
import { replaceFile } from "@paddock/base/durable-file.ts";
import { messageOf } from "@paddock/base/errors.ts";
import type { Log } from "@paddock/base/log.ts";
import { readSensorsFile, sensorsFileSchema, type SensorsDocument, type SensorsFile } from "./sensors-file.ts";

/** The copy holds the sensors' keys. */
const COPY_MODE = 0o600;

const copySchema = v.strictObject({ file: v.string(), sha256: v.string(), text: v.string() });

/** What is wrong with the sensors file, for the status. */
export interface SensorsProblem {
  readonly text: string;
  /** A command for the operator. */
  readonly next: string;
}

/**
 * The sensors file and the last good copy of it, `sensors.last-good.json` in the data directory. A file that cannot be
 * used, half-written by an editor or a power cut, must not keep a gateway from starting whose sensors go on sending: the
 * copy is taken in its place, and everybody is told.
 */
export class SensorsSource {
  readonly #file: string;
  readonly #copyFile: string;
  readonly #log: Log;
  #unusable: SensorsProblem | undefined;
  #exposed: readonly string[] = [];

  constructor(file: string, dataDir: string, log: Log) {
    this.#file = file;
    this.#copyFile = join(dataDir, "sensors.last-good.json");
    this.#log = log;
  }

  /** What the status has to say; empty when all is well. */
  get problems(): readonly SensorsProblem[] {
    const exposed = this.#exposed.map((path) => ({
      text: `Sensor keys can be read by every user of this machine: ${path}.`,
      next: `chmod o-rwx ${path}`,
    }));
    return [...(this.#unusable === undefined ? [] : [this.#unusable]), ...exposed];
  }

  /** The sensors to start with. Throws CONFIG_UNREADABLE or CONFIG_INVALID when there is no good copy either. */
  async start(): Promise<SensorsDocument> {
    try {
      return await this.#read();
    } catch (error) {
      const copy = await this.#readCopy();
      if (copy === undefined) throw error;
      const message = messageOf(error);
      this.#unusable = {
        text: `The sensors file cannot be used, so the last good copy of it is in force: ${message}`,
        next: "paddock gateway sensors",
      };
      const sensors = Object.keys(copy.sensors).length;
      const remedy = "Mend the file and send SIGHUP; until then the last good copy is in force.";
      this.#log.error("sensors-copy-used", { file: this.#file, copy: this.#copyFile, sensors, message, remedy });
      return copy;
    }
  }

  /** The sensors of the file as it is now, or undefined when it cannot be used: then the old ones stay in force. */
  async reload(): Promise<SensorsDocument | undefined> {
    try {
      const document = await this.#read();
      this.#log.info("sensors-reloaded", { file: this.#file, sensors: Object.keys(document.sensors).length });
      return document;
    } catch (error) {
      const message = messageOf(error);
      this.#unusable = {
        text: `The sensors file cannot be used, so the old sensors stay in force: ${message}`,
        next: "paddock gateway sensors",
      };
      const remedy = "The old ones stay in force.";
      this.#log.error("sensors-reload-failed", { file: this.#file, message, remedy });
      return undefined;
    }
  }

  async #read(): Promise<SensorsFile> {
    const document = await readSensorsFile(this.#file);
    this.#unusable = undefined;
    this.#exposed = document.exposed;
    for (const path of document.exposed) {
      const remedy = `chmod o-rwx ${path}; whoever could read it may have the keys: give the sensors new ones.`;
      this.#log.warn("sensors-exposed", { path, remedy });
    }
    await this.#keep(document);
    return document;
  }

  /** A copy that cannot be kept is no reason to refuse good sensors. */
  async #keep({ sensors }: SensorsDocument): Promise<void> {
    const text = JSON.stringify({ sensors });
    const copy = `${JSON.stringify({ file: this.#file, sha256: sha256(text), text })}\n`;
    try {
      const before = await readFile(this.#copyFile, "utf8").catch(() => "");
      if (before !== copy) await replaceFile(this.#copyFile, copy, COPY_MODE);
    } catch (error) {
      this.#log.warn("sensors-copy-not-kept", { copy: this.#copyFile, message: messageOf(error) });
    }
  }

  /** The copy of this very file, whole; undefined when there is none. */
  async #readCopy(): Promise<SensorsDocument | undefined> {
    try {
      const { file, sha256: digest, text } = v.parse(copySchema, JSON.parse(await readFile(this.#copyFile, "utf8")));
      if (file !== this.#file || digest !== sha256(text)) return undefined;
      return v.parse(sensorsFileSchema, JSON.parse(text));
    } catch {
      return undefined;
    }
  }
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
