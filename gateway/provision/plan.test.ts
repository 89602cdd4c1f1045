import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { accept, refuse } from "@paddock/base/outcome.ts";
import { generateIdentity, identityToPem } from "@paddock/wire/identity.ts";

import { planProvision, type Found, type FoundFile } from "./plan.ts";
import { errorsText } from "./report.ts";

const PLACES = { stateDir: "/var/lib/paddock", runDir: "/run/paddock" };
const KEY = "ab".repeat(32);
const PATHS = [{ name: "fibre", endpoint: "https://[2001:db8::1]:8443" }];

interface Given {
  readonly config?: Readonly<Record<string, string | Uint8Array>>;
  readonly lastGood?: Partial<Found["lastGood"]>;
  readonly identity?: string;
}

function plan({ config = {}, lastGood, identity }: Given) {
  const files = Object.entries(config).map(([name, content]): [string, FoundFile] => [
    name,
    accept(Buffer.from(content)),
  ]);
  const found = { config: new Map(files), lastGood: { gateway: undefined, sensors: undefined, ...lastGood }, identity };
  const made = planProvision(found, PLACES);
  const content = (place: string, name: string) =>
    made.files.find((file) => file.place === place && file.name === name)?.content;
  return { ...made, content, document: JSON.parse(content("run", "gateway.json")!) as Record<string, unknown> };
}

describe("gateway.json", () => {
  test("of the partition is completed, kept as the last good one, and told to be right", () => {
    const { document, source, problems, content } = plan({
      config: {
        "gateway.json": JSON.stringify({ paths: PATHS, collector: { label: "barn" } }),
        "claim.txt": "let-me-in\r\n",
        "collector.pub": `${KEY.toUpperCase()}\n`,
      },
    });
    expect({ source, problems }).toEqual({ source: "config", problems: [] });
    expect(document).toEqual({
      dataDir: "/var/lib/paddock",
      paths: PATHS,
      collector: { label: "barn", publicKey: KEY, claim: "let-me-in" },
      bfd: { socket: "/run/paddock/bfd.sock" },
    });
    expect(JSON.parse(content("state", "provision/gateway.json")!)).toEqual(document);
  });

  test.each([
    ["CRLF", Buffer.from('{\r\n  "log": { "level": "warn" }\r\n}\r\n')],
    ["a byte order mark", Buffer.from('\uFEFF{ "log": { "level": "warn" } }')],
    ["UTF-16 of Windows' editor", Buffer.from('\uFEFF{ "log": { "level": "warn" } }', "utf16le")],
  ])("with %s is read all the same", (_what, bytes) => {
    expect(plan({ config: { "gateway.json": bytes } })).toMatchObject({
      source: "config",
      problems: [],
      document: { log: { level: "warn" } },
    });
  });

  test("that is broken gives way to the last good one, and its line is named", () => {
    const { source, problems, document, content } = plan({
      config: { "gateway.json": '{\r\n  "log": { "level": "warn" },\r\n  "paths": [,]\r\n}' },
      lastGood: { gateway: '{"log":{"level":"error"}}' },
    });
    expect(source).toBe("last-good");
    expect(document).toMatchObject({ log: { level: "error" } });
    expect(problems).toMatchObject([{ file: "gateway.json", line: 3 }]);
    expect(problems[0]!.what).toContain("not JSON");
    expect(content("state", "provision/gateway.json")).toBeUndefined();
  });

  test("with a typo names field and line", () => {
    const { problems, source } = plan({ config: { "gateway.json": '{\n "log": {\n  "levle": "warn" } }' } });
    expect(source).toBe("default");
    expect(problems).toMatchObject([{ file: "gateway.json", line: 3 }]);
    expect(problems[0]!.what).toContain('did you mean "level"?');
  });

  test("that is missing or broken everywhere leaves a gateway that takes frames and keeps them", () => {
    for (const lastGood of [undefined, { gateway: "{" }, { gateway: '{"unknown":1}' }]) {
      const { source, document } = plan({ config: { "gateway.json": "nonsense" }, ...(lastGood && { lastGood }) });
      expect(source).toBe("default");
      expect(document).toEqual({
        dataDir: "/var/lib/paddock",
        bfd: { socket: "/run/paddock/bfd.sock" },
        notices: [expect.stringMatching(/^gateway\.json line 1: /u)],
      });
    }
    expect(plan({}).problems).toEqual([]);
  });

  test("cannot move the data away from the one place that can be written to", () => {
    const { document, problems } = plan({ config: { "gateway.json": '{\n"dataDir": "/data"\n}' } });
    expect(document["dataDir"]).toBe("/var/lib/paddock");
    expect(problems).toMatchObject([{ file: "gateway.json", line: 2 }]);
  });

  test("is not written again when it is the last good one already", () => {
    const config = { "gateway.json": '{"log":{"level":"warn"}}' };
    const first = plan({ config });
    expect(
      plan({ config, lastGood: { gateway: first.content("state", "provision/gateway.json") } }).files,
    ).toHaveLength(1);
  });
});

describe("sensors.json", () => {
  const SENSORS = '{"sensors":{"mote":{"addresses":["2001:db8::7"]}}}';

  test("is put beside the gateway's document, which names it; the last good one stands in for a broken one", () => {
    const good = plan({ config: { "sensors.json": `\uFEFF${SENSORS}` } });
    expect(good.document).toMatchObject({ sensors: { file: "/run/paddock/sensors.json" } });
    expect(good.content("run", "sensors.json")).toBe(SENSORS);
    const broken = plan({ config: { "sensors.json": '{"sensors":{"mote":{}}}' }, lastGood: { sensors: SENSORS } });
    expect(broken.content("run", "sensors.json")).toBe(SENSORS);
    expect(broken.problems).toMatchObject([{ file: "sensors.json" }]);
  });

  test("cannot name files that are not on the device", () => {
    const { problems } = plan({ config: { "sensors.json": '{"sensors":{"mote":{\n"keyFile":"mote.key"}}}' } });
    expect(problems).toMatchObject([{ file: "sensors.json", line: 2 }]);
    expect(problems[0]!.what).toContain("write the key itself");
  });
});

describe("identity.pem", () => {
  const [own, other] = [identityToPem(generateIdentity()), identityToPem(generateIdentity())];

  test("moves to a device that has none, and is wiped only then", () => {
    const { content, wipe, problems } = plan({ config: { "identity.pem": own.replaceAll("\n", "\r\n") } });
    expect(content("state", "identity.pem")).toBe(own);
    expect({ wipe, problems }).toEqual({ wipe: ["identity.pem"], problems: [] });
  });

  test("never replaces one that is there", () => {
    const { content, wipe, problems } = plan({ config: { "identity.pem": other }, identity: own });
    expect(content("state", "identity.pem")).toBeUndefined();
    expect(wipe).toEqual([]);
    expect(problems).toMatchObject([{ file: "identity.pem" }]);
  });

  test("that was moved before the power went is wiped now", () => {
    expect(plan({ config: { "identity.pem": own }, identity: own })).toMatchObject({
      wipe: ["identity.pem"],
      problems: [],
    });
  });

  test("that is no key stays, and its text is in no message", () => {
    const { wipe, problems } = plan({ config: { "identity.pem": "TOP SECRET" } });
    expect(wipe).toEqual([]);
    expect(JSON.stringify(problems)).not.toContain("TOP SECRET");
  });
});

describe("other files", () => {
  test("a host's name and networks are checked; lines end as Linux wants them", () => {
    const { content, problems } = plan({
      config: {
        hostname: "barn-7\r\n",
        "network/10-wan.network": "[Match]\r\nName=eth0\r\n[Network]\r\nDHCP=yes",
        "network/bad.network": "[Match]\nName eth0\n",
        "network/notes.txt": "hello",
      },
    });
    expect(content("run", "hostname")).toBe("barn-7\n");
    expect(content("network", "10-wan.network")).toBe("[Match]\nName=eth0\n[Network]\nDHCP=yes\n");
    expect(problems).toMatchObject([
      { file: "network/bad.network", line: 2 },
      { file: "network/notes.txt", line: undefined },
    ]);
    expect(plan({ config: { hostname: "-bad_name-" } }).problems).toMatchObject([{ file: "hostname" }]);
  });

  test("that cannot be read are told, and the rest is done", () => {
    const config = new Map<string, FoundFile>([
      ["gateway.json", refuse("unreadable", "it cannot be read: EIO")],
      ["hostname", accept(Buffer.from("barn"))],
    ]);
    const made = planProvision(
      { config, lastGood: { gateway: undefined, sensors: undefined }, identity: undefined },
      PLACES,
    );
    expect(made.source).toBe("default");
    expect(made.problems).toMatchObject([{ file: "gateway.json", what: "it cannot be read: EIO." }]);
    expect(made.files.map(({ name }) => name)).toContain("hostname");
  });

  test("a claim without a gateway.json is told", () => {
    expect(plan({ config: { "claim.txt": "abc" } }).problems).toMatchObject([{ file: "claim.txt" }]);
  });
});

test("whatever lies on the partition, there is a document to run with", () => {
  const names = [
    "gateway.json",
    "sensors.json",
    "identity.pem",
    "claim.txt",
    "collector.pub",
    "hostname",
    "network/a.network",
  ];
  const content = fc.oneof(
    fc.uint8Array({ maxLength: 64 }),
    fc.json().map((text) => Buffer.from(text)),
  );
  fc.assert(
    fc.property(fc.dictionary(fc.constantFrom(...names), content), (config) => {
      const { document, problems, source } = plan({ config });
      expect(document["dataDir"]).toBe("/var/lib/paddock");
      expect(errorsText({ problems, source }) === undefined).toBe(problems.length === 0);
    }),
  );
});
