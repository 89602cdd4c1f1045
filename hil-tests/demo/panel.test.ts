import { expect, test } from "vitest";
import { gatewayStatus } from "@paddock/gateway/testing/status-fixture.ts";
import { countsOf, ratesBetween } from "./counts.ts";
import { panelOf, plainOf, type Scene } from "./panel.ts";

const status = gatewayStatus();
const counts = countsOf(status, 3000);

function scene(cut: string | undefined): Scene {
  const before = { ...counts, atMs: 1000, received: counts.received - 500 };
  return { elapsedS: 3, totalS: 12, status, counts, rates: ratesBetween(before, counts), waitedMost: 1234, cut };
}

test("rates are per second over the time between two counts", () => {
  expect(scene(undefined).rates).toEqual({ received: 250, committed: 0, forwarded: 0, acknowledged: 0 });
});

test("the panel shows progress, rates, buffer and every path", () => {
  const text = panelOf(scene(undefined))
    .map((line) => line.text)
    .join("\n");
  expect(text).toContain("3 of 12 s");
  expect(text).toMatch(/frames\/s +250 +0 +0 +0/);
  expect(text).toContain("at most 1,234 so far");
  for (const { name, role, standing } of status.uplinks.paths)
    expect(text).toMatch(new RegExp(`^${name} +${role} +${standing}`, "m"));
});

test("a path that is cut stands out at once, before the gateway knows", () => {
  const { name } = status.uplinks.paths[0]!;
  const row = panelOf(scene(name)).find(({ text }) => text.startsWith(name));
  expect(row?.tone).toBe("bad");
  expect(plainOf(scene(name))).toContain(`[${name} is cut]`);
});
