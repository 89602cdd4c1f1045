import { afterEach, beforeEach, expect, test } from "vitest";
import { systemClock } from "@paddock/base/clock.ts";
import { silentLog } from "@paddock/base/log.ts";
import { until } from "@paddock/base/testing/until.ts";
import { RecordingSink } from "../testing/recording-sink.ts";
import { PathWatch } from "./path-watch.ts";
import { watchedPaths, type WatchedPaths } from "./testing/watched-paths.ts";

/** Cuts, dead endpoints and a killed speaker are in path-watch.trial.test.ts. */

let paths: WatchedPaths;
beforeEach(async () => {
  paths = await watchedPaths();
});

afterEach(async () => {
  for (const cleanUp of paths.cleanUps.splice(0).toReversed()) await cleanUp();
});

test("a collector that says goodbye is unknown, not down", async () => {
  const sink = new RecordingSink();
  const { told } = sink;
  const watch = (await PathWatch.start({ config: paths.config, sink, clock: systemClock, log: silentLog }))!;
  try {
    await until(() => expect(told.toSorted()).toEqual(["fibre up", "lte up"]));
    paths.fibre.setDisabled(true);
    await until(() => expect(told.slice(2)).toEqual(["fibre unknown"]));
  } finally {
    await watch.stop();
  }
});
