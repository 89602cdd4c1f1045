import { formatDuration } from "@paddock/base/duration.ts";
import { formatCount, plural } from "@paddock/gateway/cli/format.ts";
import type { DemoFiles } from "./files.ts";
import type { DemoOptions } from "./options.ts";
import type { Check } from "./proof.ts";
import type { Screen } from "./screen.ts";
import type { CutResult } from "./story.ts";
import { UPLINKS, WATCH } from "./uplinks.ts";

/** What one is about to see. */
export function introduce(
  screen: Screen,
  options: DemoOptions,
  files: DemoFiles,
  sensors: number,
  cutAtS: number,
): void {
  const uplinks = UPLINKS.map(({ name, delayMs }) => `${name} (${delayMs} ms)`).join(", ");
  screen.say("Paddock demo", "strong");
  screen.say(`
  ${formatCount(sensors)} sensors, four of which replay what real motes measured, send frames to a gateway. The gateway seals
  each frame into a hash chain on its disk before it answers the sensor, and forwards the same bytes to a collector
  over the best of three emulated uplinks: ${uplinks}. BFD watches each of them from end to end,
  every ${WATCH.intervalMs} ms.

  After ${formatDuration(cutAtS * 1000)} the best uplink is cut under load. Watch the gateway notice, move on, and later come back.
  At the end every frame that was sent is looked for in the collector's ledger, all signatures are checked, and DuckDB
  is asked for the readings, which the collector also keeps as Parquet files.

  received      the frame came in from a sensor         committed     sealed into the chain, and on disk
  forwarded     sent to the collector over an uplink    acknowledged  the collector signed that it keeps it

  Everything runs as real processes on this machine, talks over ::1 and needs no root. Its files are in
  ${files.directory} and vanish at the end. Seed ${options.seed}. Ctrl-C ends it at any time.

  Starting one collector, three links and one gateway ...
`);
}

/** What was checked and what came of it. Returns whether everything holds. */
export function conclude(
  screen: Screen,
  checks: readonly Check[],
  cut: CutResult,
  frames: number,
  waitedMost: number,
): boolean {
  screen.say("\nThe proof", "strong");
  for (const { holds, title, command, findings } of checks) {
    screen.say(`  ${holds ? "ok  " : "FAIL"}  ${title}`, holds ? "good" : "bad");
    screen.say(`        paddock ${command}`, "quiet");
    for (const finding of findings) screen.say(`        ${finding}`);
  }
  const passed = checks.every(({ holds }) => holds);
  const found =
    cut.detectedInMs === undefined ? "" : ` (detected ${formatDuration(cut.detectedInMs)} after the last sign of life)`;
  screen.say("");
  screen.say(
    passed
      ? `PASS: ${formatCount(frames)} frames sent, ${formatCount(frames)} kept exactly once, chains intact.`
      : "FAIL: see what is marked above.",
    passed ? "good" : "bad",
  );
  screen.say(
    `  With ${cut.path} dark, traffic went on over ${cut.next} after ${formatDuration(cut.gapMs)}${found}; at most ${plural(waitedMost, "frame")} waited in the buffer.`,
  );
  return passed;
}

/** Commands for whoever stays. */
export function invite(screen: Screen, files: DemoFiles): void {
  const gateway = `--config ${files.gatewayConfig}`;
  const collector = `--config ${files.collectorConfig}`;
  screen.say(
    "\nFor an hour the sensors send again, a quarter as much, and everything keeps running. In another terminal, from here:",
    "strong",
  );
  screen.say(`
  ./paddock gateway status ${gateway}
  ./paddock gateway uplinks --watch ${gateway}
  ./paddock gateway buffer ${gateway}
  ./paddock gateway chain verify ${gateway}
  ./paddock collector fleet ${collector}
  ./paddock collector log --follow --format senml ${collector}
  ./paddock collector sinks ${collector}
  ./paddock collector query "SELECT * FROM readings ORDER BY time DESC LIMIT 10" ${collector}
${UPLINKS.map(({ name }) => `  ./paddock sim tell ${files.linkControl(name)} '{"do":"cut"}'`).join("\n")}
  ./paddock sim tell ${files.linkControl(UPLINKS[0]!.name)} '{"do":"heal"}'
  ./paddock sim tell ${files.linkControl(UPLINKS[1]!.name)} '{"do":"set","delay":"400ms","loss":0.05}'

  Ctrl-C ends everything and removes ${files.directory}.
`);
}
