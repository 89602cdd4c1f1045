/** An emulated uplink of the demo. */
export interface Uplink {
  readonly name: string;
  /** One way. */
  readonly delayMs: number;
  readonly preference: number;
}

/** In the order in which the gateway prefers them. */
export const UPLINKS: readonly Uplink[] = [
  { name: "fibre", delayMs: 5, preference: 300 },
  { name: "lte", delayMs: 40, preference: 200 },
  { name: "satellite", delayMs: 250, preference: 100 },
];

/** Three packets that do not come back in a row: the path is down. */
export const WATCH = { intervalMs: 100, detectMult: 3 };
