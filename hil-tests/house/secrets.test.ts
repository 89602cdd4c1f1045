import { describe, expect, test } from "vitest";
import { parseConfig } from "@paddock/base/config.ts";
import { CollectorConfigSchema } from "@paddock/collector/config.ts";
import { GatewayConfigSchema } from "@paddock/gateway/config.ts";
import { sensorsFileSchema } from "@paddock/gateway/ingest/sensors-file.ts";
import { scenarioSchema } from "@paddock/sensor-sim/scenario/schema.ts";
import { REQUEST_SCHEMA } from "@paddock/uplink/bfd/control-protocol.ts";
import { PROCESS_SCHEMA } from "@paddock/uplink/bfd/process-config.ts";
import { SESSION_SCHEMA } from "@paddock/uplink/bfd/session-spec.ts";

const SECRET = "zq9-of-the-site";
const SECRET_KEYS = ["secret", "key", "claim", "code"];

type Schema = Parameters<typeof parseConfig>[0];

/** The parts of a valibot schema that lead to what it contains. */
interface Node {
  readonly type?: string;
  readonly entries?: Readonly<Record<string, Node>>;
  readonly wrapped?: Node;
  readonly item?: Node;
  readonly value?: Node;
  readonly options?: readonly (Node | string)[];
}

/** Every place in the documents of a schema; a list has one item, a record the key "any". */
function places(node: Node, path: readonly string[] = []): { path: readonly string[]; holdsMore: boolean }[] {
  if (node.wrapped !== undefined) return places(node.wrapped, path);
  const inner = [
    ...Object.entries(node.entries ?? {}).flatMap(([key, entry]) => places(entry, [...path, key])),
    ...(node.item === undefined ? [] : places(node.item, [...path, "0"])),
    ...(node.value === undefined ? [] : places(node.value, [...path, "any"])),
    ...(node.options ?? []).flatMap((option) => (typeof option === "object" ? places(option, path) : [])),
  ];
  return [{ path, holdsMore: inner.length > 0 }, ...inner];
}

/** A document with `value` at one place, and nothing else but what leads there. */
function documentWith(path: readonly string[], value: unknown): unknown {
  return path.reduceRight((inner, key) => (key === "0" ? [inner] : { [key]: inner }), value);
}

function complaint(schema: Schema, document: unknown): string {
  try {
    parseConfig(schema, document, "the document");
  } catch (error) {
    return String(error);
  }
  return "";
}

describe.each([
  ["gateway", GatewayConfigSchema, "claim"],
  ["collector", CollectorConfigSchema, "code"],
  ["sensors", sensorsFileSchema, "key"],
  ["scenario", scenarioSchema, "faults"],
  ["BFD session", SESSION_SCHEMA, "secret"],
  ["BFD request", REQUEST_SCHEMA, "secret"],
  ["BFD process", PROCESS_SCHEMA, "secret"],
] as const)("%s", (_name, schema: Schema, known) => {
  const all = places(schema);

  test("the walk reaches what lies deep", () => {
    expect(all.some(({ path }) => path.includes(known))).toBe(true);
  });

  test("no value below a secret's key is in a complaint, whatever its shape and wherever it slipped to", () => {
    const shapes = [SECRET, [SECRET], { id: 7, any: SECRET }, [[{ any: SECRET }]]];
    let complaints = 0;
    for (const { path, holdsMore } of all) {
      const isSecret = path.some((key) => SECRET_KEYS.includes(key));
      const values = [
        ...SECRET_KEYS.flatMap((key) => shapes.map((shape) => ({ [key]: shape }))),
        ...(isSecret ? shapes : []),
        // Where an object belongs, its secret may stand alone.
        ...(holdsMore ? [SECRET] : []),
      ];
      for (const value of values) {
        const said = complaint(schema, documentWith(path, value));
        if (said === "") continue;
        complaints++;
        if (said.includes(SECRET.slice(0, 4))) expect.fail(`${path.join(".")}: ${said}`);
      }
    }
    expect(complaints).toBeGreaterThan(all.length);
  });
});
