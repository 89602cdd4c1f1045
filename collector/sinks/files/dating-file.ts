import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import * as v from "valibot";
import type { Dating } from "../row.ts";
import { writeFrom } from "./disk.ts";

const DatingLine = v.strictObject({
  gateway: v.string(),
  boot: v.pipe(v.number(), v.safeInteger()),
  zeroUs: v.pipe(v.number(), v.safeInteger()),
});

/** Boots of a gateway that are kept: as many as the book remembers. */
const BOOTS_MAX = 8;
/** Bytes from which on the file is written anew when less than half of it is still wanted. */
const COMPACT_BYTES = 1 << 20;

export interface DatingLength {
  readonly name: string;
  readonly bytes: number;
}

/** What is known of boots, beside the rows: lines that are added to, and of which a place names how many count. */
export class DatingFile {
  readonly #directory: string;
  readonly #known = new Map<string, Map<number, number>>();

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** Reads the lines that count. Throws when they are not there. */
  async open({ name, bytes }: DatingLength): Promise<void> {
    const content = await readFile(join(this.#directory, name));
    if (content.length < bytes) throw new Error(`${name} has ${content.length} bytes, not ${bytes}.`);
    for (const line of content.subarray(0, bytes).toString("utf8").split("\n")) {
      if (line !== "") this.#learn(v.parse(DatingLine, JSON.parse(line)));
    }
  }

  get all(): Dating[] {
    return [...this.#known].flatMap(([gateway, boots]) =>
      [...boots].map(([boot, zeroUs]) => ({ gateway, boot, zeroUs })),
    );
  }

  /** Adds lines behind those that count, durably, and says how many count with them. */
  async add(datings: readonly Dating[], length: DatingLength | null): Promise<DatingLength | null> {
    const fresh = datings.filter(({ gateway, boot, zeroUs }) => this.#known.get(gateway)?.get(boot) !== zeroUs);
    if (fresh.length === 0) return length;
    for (const dating of fresh) this.#learn(dating);
    const { name, bytes } = length ?? { name: "datings-1.ndjson", bytes: 0 };
    if (bytes < COMPACT_BYTES || bytes < 2 * lines(this.all).join("").length) {
      return { name, bytes: await writeFrom(join(this.#directory, name), bytes, lines(fresh)) };
    }
    const next = `datings-${Number(/\d+/u.exec(name)?.[0] ?? 0) + 1}.ndjson`;
    return { name: next, bytes: await writeFrom(join(this.#directory, next), 0, lines(this.all)) };
  }

  /** Removes a file that counts no more. */
  async remove({ name }: DatingLength): Promise<void> {
    await rm(join(this.#directory, name), { force: true });
  }

  #learn({ gateway, boot, zeroUs }: Dating): void {
    const boots = this.#known.get(gateway) ?? new Map<number, number>();
    this.#known.set(gateway, boots);
    boots.set(boot, zeroUs);
    if (boots.size > BOOTS_MAX) boots.delete(boots.keys().next().value!);
  }
}

function lines(datings: readonly Dating[]): string[] {
  return datings.map((dating) => `${JSON.stringify(dating)}\n`);
}
