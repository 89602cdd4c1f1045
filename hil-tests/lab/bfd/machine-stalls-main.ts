/* The program behind machine-stalls.ts: wakes every 2 ms and reports each time that it was late. */
import type { Stall } from "./machine-stalls.ts";

const EVERY_MS = 2;
/** Less is the grain of timers. */
const NOTABLE_MS = 3;

let dueMs = performance.now() + EVERY_MS;
setInterval(() => {
  const nowMs = performance.now();
  if (nowMs - dueMs >= NOTABLE_MS) {
    const stall: Stall = { fromMs: performance.timeOrigin + dueMs, toMs: performance.timeOrigin + nowMs };
    process.send!(stall);
  }
  dueMs = nowMs + EVERY_MS;
}, EVERY_MS);
process.on("disconnect", () => process.exit());
process.send!("ready");
