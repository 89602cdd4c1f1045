import type { Random } from "@paddock/base/random.ts";
import type { Model } from "../scenario/schema.ts";
import type { MoteReading } from "./motes.ts";
import { sineOfTurns } from "./portable-math.ts";

/** What a device reports in each frame: numbers and flags, by name, in a fixed order. */
export interface Device {
  readonly numbers: readonly { readonly name: string; readonly unit: string }[];
  readonly flags: readonly string[];
  /**
   * Takes a reading at `atUs` of virtual time into `numbers` and `flags`; false when there is nothing to report.
   * All chance comes from `random`, in an order that depends on the earlier readings alone.
   */
  read(atUs: number, random: Random, numbers: Float64Array, flags: boolean[]): boolean;
}

/** The device of sensor number `index` of a fleet. `motes` must be loaded for `mote-replay`. */
export function createDevice(model: Model, index: number, motes: readonly (readonly MoteReading[])[]): Device {
  switch (model.kind) {
    case "constant":
      return oneNumber(model, () => model.value);
    case "sine":
      return oneNumber(model, (atUs, random) => {
        const turns = atUs / 1000 / model.period;
        return (
          model.mean + model.amplitude * sineOfTurns(turns) + (model.noise === 0 ? 0 : model.noise * normal(random))
        );
      });
    case "random-walk": {
      let value = model.initial;
      return oneNumber(model, (_atUs, random) => {
        value = Math.min(model.max, Math.max(model.min, value + model.step * (random.float() * 2 - 1)));
        return value;
      });
    }
    case "event":
      return {
        numbers: [],
        flags: [model.name],
        read(_atUs, random, _numbers, flags) {
          flags[0] = true;
          return random.float() < model.probability;
        },
      };
    case "mote-replay":
      return moteReplay(motes[model.mote === "each" ? index % motes.length : model.mote - 1]);
  }
}

function oneNumber(
  measured: { readonly name: string; readonly unit: string },
  value: (atUs: number, random: Random) => number,
): Device {
  return {
    numbers: [measured],
    flags: [],
    read(atUs, random, numbers) {
      // Four decimals are what a sensor's data sheet promises at best.
      numbers[0] = Math.round(value(atUs, random) * 1e4) / 1e4;
      return true;
    },
  };
}

/** The rows in their order, from the start again at the end; `event` is the data set's label of a disturbance. */
function moteReplay(rows: readonly MoteReading[] | undefined): Device {
  if (rows === undefined || rows.length === 0) throw new Error("the mote data set is not loaded");
  let next = 0;
  return {
    numbers: [
      { name: "temperature", unit: "Cel" },
      { name: "humidity", unit: "%RH" },
    ],
    flags: ["event"],
    read(_atUs, _random, numbers, flags) {
      const row = rows[next % rows.length]!;
      next++;
      numbers[0] = row.temperature;
      numbers[1] = row.humidity;
      flags[0] = row.event;
      return true;
    },
  };
}

/** A draw from the standard normal distribution (sum of uniforms; tails end at 6). */
function normal(random: Random): number {
  let sum = -6;
  for (let draw = 0; draw < 12; draw++) sum += random.float();
  return sum;
}
