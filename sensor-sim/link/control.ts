import { parseConfig } from "@paddock/base/config.ts";
import { PaddockError } from "@paddock/base/errors.ts";
import * as v from "valibot";
import { duration, finite, probability } from "../scenario/fields.ts";
import type { Impairment } from "./impairment.ts";
import type { Link } from "./link.ts";
import { DIRECTIONS } from "./link-state.ts";

const rate = v.nullable(v.pipe(finite, v.minValue(1000, "write at least 1000 bits per second, or null for no limit")));

/** What can be set of a link, in configuration and by command; null lifts the rate. */
export const impairmentFields = {
  delay: v.optional(duration),
  jitter: v.optional(duration),
  loss: v.optional(probability),
  duplicate: v.optional(probability),
  rateBitPerS: v.optional(rate),
  queueBytes: v.optional(v.pipe(finite, v.minValue(0, "write 0 or more"))),
};

const directionField = v.optional(v.picklist([...DIRECTIONS, "both"], "choose to-target, from-target or both"), "both");
const linkField = v.optional(v.string("name a link"));

const commandSchema = v.variant(
  "do",
  [
    v.strictObject({ do: v.literal("set"), link: linkField, direction: directionField, ...impairmentFields }),
    v.strictObject({
      do: v.literal("cut"),
      link: linkField,
      direction: directionField,
      mode: v.optional(v.picklist(["black-hole", "reset"], "choose black-hole or reset"), "black-hole"),
    }),
    v.strictObject({ do: v.literal("heal"), link: linkField }),
    v.strictObject({ do: v.literal("status"), link: linkField }),
    v.strictObject({ do: v.literal("stop") }),
  ],
  "choose set, cut, heal, status or stop",
);

type ImpairmentInput = v.InferOutput<v.StrictObjectSchema<typeof impairmentFields, undefined>>;

/** The impairment that the given fields describe; absent fields change nothing. */
export function impairmentOf(fields: ImpairmentInput): Partial<Impairment> {
  const { delay, jitter, loss, duplicate, rateBitPerS, queueBytes } = fields;
  return {
    ...(delay === undefined ? {} : { delayMs: delay }),
    ...(jitter === undefined ? {} : { jitterMs: jitter }),
    ...(loss === undefined ? {} : { lossRate: loss }),
    ...(duplicate === undefined ? {} : { duplicateRate: duplicate }),
    ...(rateBitPerS === undefined ? {} : { rateBitPerS: rateBitPerS ?? Number.POSITIVE_INFINITY }),
    ...(queueBytes === undefined ? {} : { queueBytes }),
  };
}

/**
 * Obeys one line of JSON, such as `{"do":"cut","link":"fibre","mode":"black-hole"}`, and returns the answer as a line.
 * Without `link` it is meant for all of them. A line that is not understood changes nothing and is answered with `error`.
 */
export function obey(line: string, links: ReadonlyMap<string, Link>, stop: () => void): string {
  try {
    const command = parseConfig(
      commandSchema,
      parseJson(line),
      "The command",
      "Correct the field named in the message.",
    );
    if (command.do === "stop") {
      stop();
      return '{"ok":true}';
    }
    const chosen = choose(links, command.link);
    for (const link of chosen.values()) {
      if (command.do === "heal") link.heal();
      if (command.do === "cut") link.cut(command.mode, directionsOf(command.direction));
      if (command.do === "set") link.set(impairmentOf(command), directionsOf(command.direction));
    }
    if (command.do !== "status") return '{"ok":true}';
    const status = Object.fromEntries([...chosen].map(([name, link]) => [name, link.status]));
    return JSON.stringify({ ok: true, links: status });
  } catch (error) {
    if (error instanceof PaddockError) return JSON.stringify({ ok: false, error: error.message });
    throw error;
  }
}

function choose(links: ReadonlyMap<string, Link>, name: string | undefined): ReadonlyMap<string, Link> {
  if (name === undefined) return links;
  const link = links.get(name);
  if (link === undefined) {
    throw new PaddockError("USAGE", `There is no link "${name}"; there are ${[...links.keys()].join(", ")}.`);
  }
  return new Map([[name, link]]);
}

function directionsOf(direction: "to-target" | "from-target" | "both") {
  return direction === "both" ? DIRECTIONS : [direction];
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    throw new PaddockError("USAGE", "The command is not one line of JSON.");
  }
}
