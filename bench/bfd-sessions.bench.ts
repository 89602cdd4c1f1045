/*
 * What a speaker with many sessions costs: processor time, memory and how late its timers run. Its peers are the same
 * number of sessions in another process, over ::1, with a pair of ports each.
 *
 *     node bench/bfd-sessions.bench.ts [--sessions 64] [--interval-ms 300] [--seconds 10]
 */
import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { Speaker } from "@paddock/uplink/bfd/speaker.ts";

const { values } = parseArgs({
  options: {
    sessions: { type: "string", default: "64" },
    "interval-ms": { type: "string", default: "300" },
    seconds: { type: "string", default: "10" },
  },
});
const count = Number(values.sessions);
const intervalMs = Number(values["interval-ms"]);
const PORTS = { near: 21_000, far: 22_000 };

const speaker = new Speaker();
const near = process.send === undefined;
for (let index = 0; index < count; index++) {
  speaker.add({
    name: `session ${index}`,
    kind: "multihop",
    local: "::1",
    remote: "::1",
    localPort: index + (near ? PORTS.near : PORTS.far),
    remotePort: index + (near ? PORTS.far : PORTS.near),
    intervalMs,
  });
}
if (near) await measure();

async function measure(): Promise<void> {
  const child = fork(fileURLToPath(import.meta.url), process.argv.slice(2));
  const up = () => speaker.report().sessions.filter(({ state }) => state === "up").length;
  while (up() < count) await new Promise((done) => setTimeout(done, 100));
  // Past the slow start and the first compilation of the code.
  await new Promise((done) => setTimeout(done, 3000));
  const before = process.cpuUsage();
  const startMs = performance.now();
  await new Promise((done) => setTimeout(done, Number(values.seconds) * 1000));
  const cpu = process.cpuUsage(before);
  const percent = ((cpu.user + cpu.system) / 10 / (performance.now() - startMs)).toFixed(1);
  const { sessions, stalls } = speaker.report();
  const downs = sessions.reduce((sum, session) => sum + session.downs, 0);
  const line = {
    sessions: count,
    intervalMs,
    cpuPercentOfACore: Number(percent),
    rssMb: Math.round(process.memoryUsage.rss() / 1e6),
    downs,
    latenessMs: stalls.buckets,
    worstMs: stalls.worstMs,
  };
  process.stdout.write(`${JSON.stringify(line)}\n`);
  child.kill();
  await speaker.close(0);
}
