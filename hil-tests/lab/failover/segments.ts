import type { Segments } from "./target.ts";

/** Reads `/proc/net/snmp`: for each protocol a line of names, and a line of values in the same order. */
export function segmentsOf(counters: string): Segments {
  const [names = [], values = []] = counters
    .split("\n")
    .filter((line) => line.startsWith("Tcp:"))
    .map((line) => line.split(" "));
  const valueOf = (name: string): number => {
    const value = values[names.indexOf(name)];
    if (value === undefined) throw new Error(`the kernel does not count ${name}`);
    return Number(value);
  };
  return { sent: valueOf("OutSegs"), again: valueOf("RetransSegs") };
}
