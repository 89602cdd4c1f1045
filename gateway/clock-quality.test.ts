import { mkdir, mkdtemp, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { VirtualClock } from "@paddock/base/clock.ts";
import { CLOCK_HOLDOVER, CLOCK_SYNCHRONISED, CLOCK_UNSET } from "@paddock/wire/batch-header.ts";
import { LinuxClockQuality } from "./clock-quality.ts";

const NOW_MS = Date.UTC(2026, 5, 1);

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "paddock-clock-"));
});
afterEach(() => rm(root, { recursive: true, force: true }));

async function judged(files: Record<string, number>, wallMs = NOW_MS) {
  for (const [name, ageMs] of Object.entries(files)) {
    const path = join(root, name);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, "");
    const modified = (NOW_MS - ageMs) / 1000;
    await utimes(path, modified, modified);
  }
  const quality = new LinuxClockQuality(new VirtualClock({ wallMs }), {
    timesync: join(root, "timesync"),
    chronyPid: join(root, "chrony.pid"),
    chronyDrift: join(root, "drift"),
  });
  await quality.start();
  quality.stop();
  return quality.quality();
}

test.each([
  ["a clock before 2025 was never set", {}, Date.UTC(2012, 0, 1), CLOCK_UNSET],
  ["not even when a daemon says otherwise", { timesync: 0 }, Date.UTC(1970, 0, 1), CLOCK_UNSET],
  ["plausible, and nobody vouches for it", {}, NOW_MS, CLOCK_HOLDOVER],
  ["timesyncd set it in this boot", { timesync: 86_400_000 }, NOW_MS, CLOCK_SYNCHRONISED],
  ["chronyd runs and is in touch", { "chrony.pid": 86_400_000, drift: 3_600_000 }, NOW_MS, CLOCK_SYNCHRONISED],
  ["chronyd runs and lost its sources", { "chrony.pid": 0, drift: 4 * 3_600_000 }, NOW_MS, CLOCK_HOLDOVER],
  ["chronyd left its drift file behind", { drift: 0 }, NOW_MS, CLOCK_HOLDOVER],
])("%s", async (_what, files, wallMs, expected) => {
  expect(await judged(files as Record<string, number>, wallMs)).toBe(expected);
});
