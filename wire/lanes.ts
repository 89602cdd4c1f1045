/** A priority class of readings; each lane of a gateway has its own chain. Lower numbers go first. */
export const LANES = ["alarm", "telemetry", "bulk"] as const;

export type LaneName = (typeof LANES)[number];
/** The lane as it stands in a batch header: the index into LANES. */
export type Lane = 0 | 1 | 2;

export function laneName(lane: Lane): LaneName {
  return LANES[lane];
}

/** The lane of a name, or undefined. */
export function laneOf(name: string): Lane | undefined {
  const index = LANES.indexOf(name as LaneName);
  return index < 0 ? undefined : (index as Lane);
}

export function isLane(value: number): value is Lane {
  return value === 0 || value === 1 || value === 2;
}
