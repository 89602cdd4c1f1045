/** The view of the whole lake. */
export const READINGS = "readings";

/** Views of measurements that are made without being asked for, so that SHOW TABLES lists them. */
const VIEWS_MAX = 256;

/**
 * The measurements that get a view of their own: those that are named, and of all others the first ones. Both in lower case;
 * keys of `measurements` are those with a folder.
 */
export function chosenMeasurements(measurements: ReadonlyMap<string, unknown>, named: readonly string[]): string[] {
  const usable = (key: string): boolean => key !== READINGS && measurements.has(key);
  const chosen = new Set([...named.filter(usable), ...[...measurements.keys()].filter(usable).slice(0, VIEWS_MAX)]);
  return [...chosen];
}
