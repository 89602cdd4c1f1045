import { VirtualClock } from "@paddock/base/clock.ts";
import { silentLog } from "@paddock/base/log.ts";
import { FilesSink } from "../files/files-sink.ts";
import { chunkAt } from "./rows.ts";

/** Writes test rows into the directory named by its argument until it is killed; says each time how far it has come. */
const [directory = "", last = "0"] = process.argv.slice(2);
const config = { directory, format: "ndjson", rotateBytes: 20_000, rotateAgeMs: 1_000_000, keepFiles: null } as const;
const sink = new FilesSink(config, { name: "test", clock: new VirtualClock(), log: silentLog });
let { offset } = (await sink.open()).place ?? { offset: 0 };
while (offset < Number(last)) {
  const to = Math.min(Number(last), offset + 1 + ((offset * 7) % 40));
  const datings = [{ gateway: "ab".repeat(32), boot: offset, zeroUs: offset }];
  await sink.write(chunkAt(offset, to, { datings }));
  offset = to;
  process.stdout.write(`${offset}\n`);
}
