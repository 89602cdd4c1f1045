/*
 * A BFD speaker with many multihop sessions to the same number in another process, over ::1, with a pair of ports each.
 * Started by fork; tells what it has cost so far.
 *
 *     bfd-speaker.ts SESSIONS INTERVAL_MS FIRST_LOCAL_PORT FIRST_REMOTE_PORT active | passive
 */
import { Speaker } from "@paddock/uplink/bfd/speaker.ts";
import { serveFork } from "./forked.ts";

export interface SpeakerCost {
  readonly up: number;
  readonly downs: number;
  /** Packets sent and received. */
  readonly packets: number;
  readonly cpuUs: number;
  readonly rssBytes: number;
  /** How many timers ran how late, see `LATENESS_BUCKETS_MS`. */
  readonly lateness: readonly number[];
}

const [count, intervalMs, localPort, remotePort] = process.argv.slice(2, 6).map(Number) as [
  number,
  number,
  number,
  number,
];
const speaker = new Speaker();
for (let index = 0; index < count; index++) {
  speaker.add({
    name: `session ${index}`,
    kind: "multihop",
    local: "::1",
    remote: "::1",
    localPort: localPort + index,
    remotePort: remotePort + index,
    intervalMs,
    passive: process.argv[6] === "passive",
  });
}
serveFork({}, cost);

function cost(): SpeakerCost {
  const { sessions, stalls } = speaker.report();
  const { user, system } = process.cpuUsage();
  return {
    up: sessions.filter(({ state }) => state === "up").length,
    downs: sessions.reduce((sum, { downs }) => sum + downs, 0),
    packets: sessions.reduce((sum, { sent, received }) => sum + sent + received, 0),
    cpuUs: user + system,
    rssBytes: process.memoryUsage.rss(),
    lateness: stalls.buckets,
  };
}
