import { describe, expect, test } from "vitest";
import { VirtualClock } from "@paddock/base/clock.ts";
import type { Gateway } from "../registry/gateway-registry.ts";
import { LastValues } from "../sinks/last/last-values.ts";
import { LastTiers } from "../sinks/last/tiers.ts";
import { testRow } from "../sinks/testing/row.ts";
import { answerLast, type LastContext, type LastReport } from "./operator-last.ts";

const { gateway, timeUs } = testRow();
const clock = new VirtualClock({ wallMs: timeUs / 1000 + 1500 });
const counted: string[] = [];

const values = new LastValues(100);
values.take(0, [
  testRow({ offset: 3, part: 1, name: "t", unit: "Cel", number: 21.5, lane: "alarm", epoch: 1, seq: 2, index: 4 }),
  testRow({ offset: 4, name: "n", number: null, whyNoNumber: "nan", timeUs: timeUs + 5 }),
  testRow({ offset: 5, source: "mote", name: "door", number: null, flag: true }),
  testRow({ offset: 6, gateway: "08".repeat(32), source: "mote", name: "door", number: null, text: "open" }),
]);
const tiers = new LastTiers({ values, offset: () => 7, tiers: [], clock });

function contextOf(sinks: ReturnType<LastContext["sinks"]>): LastContext {
  const ids = [gateway, "08".repeat(32), "0801".padEnd(64, "0")];
  return {
    ledger: { logEnd: () => 9 },
    registry: { all: () => ids.map((id) => ({ id }) as Gateway) },
    sinks: () => sinks,
    metrics: { lastReads: { inc: ({ tier }: { tier: string }) => void counted.push(tier) } as never },
    clock,
  };
}

const silent = () => Promise.resolve(undefined);
const context = contextOf({ hasLast: true, last: (ask) => tiers.answer(ask) });

async function get(query: string, of = context) {
  const { status, body, headers } = await answerLast(of, new URLSearchParams(query));
  return { status, headers, body: JSON.parse(String(body)) as LastReport & { error: string; message: string } };
}

const names = (report: LastReport) => report.values.map(({ sensor, name }) => `${sensor} ${name}`);

describe("GET /v1/last", () => {
  test("gives a reading in its kind, with what its time is worth and the way back to its proof", async () => {
    const { status, body } = await get(`gateway=${gateway}&sensor=barn&name=t`);
    expect(status).toBe(200);
    expect(body).toEqual({
      values: [
        {
          gateway,
          sensor: "barn",
          name: "t",
          kind: "number",
          value: 21.5,
          exact: null,
          whyNoNumber: null,
          contentFormat: null,
          unit: "Cel",
          sum: null,
          updateS: null,
          time: "2025-10-09T08:53:20.000000Z",
          timeBy: "sensor",
          clock: "synchronised",
          received: "2025-10-09T08:53:20.500Z",
          ageS: 1.5,
          offset: 3,
          part: 1,
          lane: "alarm",
          epoch: 1,
          seq: 2,
          record: 4,
          since: 0,
        },
      ],
      next: null,
      tier: "memory",
      offset: 7,
      behind: 2,
      complete: true,
      notes: [],
    });
    const { body: nan } = await get("name=n");
    expect(nan.values[0]).toMatchObject({ kind: "number", value: null, whyNoNumber: "nan" });
    expect((await get("sensor=mote")).body.values.map(({ value }) => value)).toEqual([true, "open"]);
    expect(counted).toEqual(["memory", "memory", "memory"]);
  });

  test("gives those that are meant, page by page", async () => {
    expect(names((await get("")).body)).toHaveLength(4);
    expect(names((await get("gateway=07070707")).body)).toEqual(["barn n", "barn t", "mote door"]);
    expect(names((await get("sensor=mo*&name=do*")).body)).toEqual(["mote door", "mote door"]);
    const first = (await get("limit=3")).body;
    expect(first.values).toHaveLength(3);
    const rest = (await get(`limit=3&after=${encodeURIComponent(first.next!)}`)).body;
    expect([rest.values.length, rest.next]).toEqual([1, null]);
    const none = await get("name=nothing");
    expect(none).toMatchObject({ status: 200, body: { values: [], tier: null, complete: true } });
  });

  test.each([
    ["gateway=xyz", /gateway is "xyz"; it is the first 8 to 64 hex digits/u],
    ["sensor=", /sensor has 0 characters; it has 1 to/u],
    [`name=${"n".repeat(5000)}`, /name has 5000 characters/u],
    ["limit=0", /limit is 0; it is 1 to 1000/u],
    ["limit=1001", /limit is 1001/u],
    ["limit=ten", /limit is "ten"; it is a whole number/u],
    ["site=north", /site is not known; known are gateway, sensor/u],
    ["name=a&name=b", /name stands there more than once/u],
  ])("says of %s what is wrong", async (query, message) => {
    expect(await get(query)).toMatchObject({ status: 400, body: { error: "query", message: message } });
  });

  test("knows gateways as its siblings do", async () => {
    expect(await get("gateway=99999999")).toMatchObject({ status: 404, body: { error: "not-found" } });
    const several = contextOf({ hasLast: true, last: (ask) => tiers.answer(ask) });
    several.registry.all = () => ["ab".repeat(32), "abababab".padEnd(64, "0")].map((id) => ({ id }) as Gateway);
    expect(await get("gateway=abababab", several)).toMatchObject({ status: 409, body: { error: "ambiguous" } });
  });

  test("says when there is nobody to ask", async () => {
    const off = { status: 404, body: { error: "off", message: /last.*enabled/u } };
    expect(await get("", contextOf(undefined))).toMatchObject(off);
    expect(await get("", contextOf({ hasLast: false, last: silent }))).toMatchObject(off);
    const again = { "retry-after": "1" };
    expect(await get("", contextOf({ hasLast: true, last: silent }))).toMatchObject({ status: 503, headers: again });
    const starting = new LastTiers({ values, offset: () => undefined, tiers: [], clock });
    const asked = await get("name=nothing", contextOf({ hasLast: true, last: (ask) => starting.answer(ask) }));
    expect(asked).toMatchObject({ status: 503, body: { error: "starting" } });
    const busy = { values: [], next: null, offset: 1, isWhole: false, isBusy: true, notes: ["4 readers look."] };
    const full = contextOf({ hasLast: true, last: () => Promise.resolve(busy) });
    expect(await get("", full)).toMatchObject({ status: 503, body: { error: "busy", message: "4 readers look." } });
    expect(counted.at(-1)).toBe("refused");
  });
});
