import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { runInProcess } from "@paddock/base/testing/in-process.ts";
import { collectorCommand } from "@paddock/collector/commands/collector-command.ts";
import { gatewayCommand } from "@paddock/gateway/cli/gateway-command.ts";
import { judge } from "@paddock/gateway/status/verdict.ts";
import { gatewayStatus, laneStatus } from "@paddock/gateway/testing/status-fixture.ts";
import { ROOT } from "./generated-tables.ts";

/** What the verdict tells people to type, typed as it stands there. */

const [path] = gatewayStatus().uplinks.paths;
const stopped = [{ lane: "telemetry", epoch: 0, why: "fork" }] as const;

/** Between them everything is wrong that the verdict knows. */
const STATUSES = [
  gatewayStatus({
    stopping: true,
    buffer: { freeDiskBytes: 0 },
    clock: { quality: "unset" },
    ingest: { kernelDrops: 1, receiveBufferBytes: 212_992 },
    lanes: [laneStatus(0, { full: true }), laneStatus(1, { epoch: 1, evictedRecords: 1 }), laneStatus(2)],
    uplinks: {
      enrolment: "pending",
      speaker: "gone",
      stopped,
      paths: [
        { ...path!, liveness: "down" },
        { ...path!, trouble: { why: "why", remedy: "remedy", forS: 99 } },
      ],
    },
  }),
  gatewayStatus({
    lanes: [laneStatus(0, { full: true }), laneStatus(1), laneStatus(2)],
    ingest: { kernelDrops: 1 },
    uplinks: { enrolment: "denied", stopped, active: null, withoutPathS: 60 },
  }),
  gatewayStatus({
    uplinks: { lastReceiptS: 120, paths: [{ ...path!, route: { device: null, nextHop: null, problem: "no route" } }] },
  }),
];

const PROGRAMS = { gateway: gatewayCommand, collector: collectorCommand } as const;

/** As the wrapper `paddock` does it, which `docs.test.ts` starts. */
async function type(line: string): Promise<string> {
  const [, program, ...args] = line.split(" ");
  const { stdout, stderr } = await runInProcess(PROGRAMS[program as keyof typeof PROGRAMS], args);
  return stdout + stderr;
}

const nexts = STATUSES.flatMap((status) => judge(status).problems.map(({ next }) => next));

test("the verdict has no line that these states do not bring about", async () => {
  const code = await readFile(new URL("gateway/status/verdict.ts", ROOT), "utf8");
  // Whole strings, and the beginnings of those that are put together.
  const written = [...code.matchAll(/["`]((?:paddock |sysctl |timedatectl)[^"`$]*)/gu)].map(([, line]) => line!);
  expect(written.length).toBeGreaterThan(10);
  expect(written.filter((line) => !nexts.some((next) => next.startsWith(line)))).toEqual([]);
});

test.each([...new Set(nexts)].filter((next) => next.startsWith("paddock ")))("%s is understood", async (next) => {
  // Nothing runs here, so the command ends for want of a configuration, after it has understood its arguments.
  const told = await type(next);
  expect(told).toMatch(/^(CONFIG_UNREADABLE|CONFIG_INVALID|STATUS_UNREACHABLE): /u);
  expect(await type(`${next} --no-such-option`)).toMatch(/^USAGE: /u);
});
