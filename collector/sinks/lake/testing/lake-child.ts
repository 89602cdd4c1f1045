import { systemClock } from "@paddock/base/clock.ts";
import { silentLog } from "@paddock/base/log.ts";
import { testChunk } from "../../testing/rows.ts";
import { LakeSink } from "../lake-sink.ts";

/** Writes test rows into the lake named by its argument until it is killed; says each time how far it has come. */
const [directory = "", last = "0"] = process.argv.slice(2);
const sink = new LakeSink({ directory, retentionDays: null }, { name: "test", clock: systemClock, log: silentLog });
let { offset } = (await sink.open()).place ?? { offset: 0 };
while (offset < Number(last)) {
  const to = Math.min(Number(last), offset + 1 + ((offset * 7) % 40));
  await sink.write(testChunk(offset, to));
  offset = to;
  process.stdout.write(`${offset}\n`);
}
await sink.close();
