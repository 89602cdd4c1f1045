import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { VirtualClock } from "@paddock/base/clock.ts";
import { silentLog } from "@paddock/base/log.ts";
import type { SideEntry, StoreWrite, WriteOutcome } from "@paddock/store/types.ts";
import { generateIdentity } from "@paddock/wire/identity.ts";
import { KEY_HEX, TestSink } from "./ingest/fixture.ts";
import { openIngest } from "./open-ingest.ts";

/** Side entries alone. */
function sideStore(entries: Iterable<[string, Uint8Array]>) {
  const side = new Map(entries);
  const writes: (readonly SideEntry[])[] = [];
  return {
    held: side,
    writes,
    side: async (prefix: string) => new Map([...side].filter(([key]) => key.startsWith(prefix))),
    append: async (write: StoreWrite): Promise<WriteOutcome> => {
      writes.push(write.side ?? []);
      for (const { key, value } of write.side ?? []) {
        if (value === null) side.delete(key);
        else side.set(key, value);
      }
      return { ok: true, value: { stored: [], repeated: [], logOffset: undefined } };
    },
  };
}

test("a start deletes what sensors left that are no longer configured, so that starts do not grow with history", async () => {
  const directory = await mkdtemp(join(tmpdir(), "paddock-open-ingest-"));
  try {
    const file = join(directory, "sensors.json");
    await writeFile(file, JSON.stringify({ sensors: { barn: { key: KEY_HEX } } }), { mode: 0o600 });
    const past = Array.from({ length: 3000 }, (_, index): [string, Uint8Array] => [
      `replay:old${index}/telemetry`,
      Buffer.of(1),
    ]);
    const store = sideStore([...past, ["replay:barn/telemetry", Buffer.of(2)], ["other:x", Buffer.of(3)]]);
    const options = {
      config: { dataDir: directory, sensors: { file, unknown: "accept" as const, rateFramesPerS: 0 } },
      store,
      sink: new TestSink(),
      identity: generateIdentity(),
      boot: 1,
      clock: new VirtualClock({ monotonicUs: 1e9 }),
      log: silentLog,
    };
    const { ingest } = await openIngest(options);
    expect([...store.held.keys()]).toEqual(["replay:barn/telemetry", "other:x"]);
    expect(Math.max(...store.writes.map((side) => side.length))).toBeLessThanOrEqual(1000);
    expect(ingest.senders().map(({ sender }) => sender)).toEqual(["barn"]);
    store.writes.length = 0;
    await openIngest(options);
    expect(store.writes.map((side) => side.map(({ key }) => key))).toEqual([["exchange:earlier"]]);
  } finally {
    await rm(directory, { recursive: true });
  }
});
