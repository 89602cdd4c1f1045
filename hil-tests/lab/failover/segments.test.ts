import { expect, test } from "vitest";
import { segmentsOf } from "./segments.ts";

const COUNTERS = `Icmp: InMsgs OutMsgs
Icmp: 1 2
Tcp: RtoAlgorithm OutSegs RetransSegs InErrs
Tcp: 1 5042 37 0
Udp: InDatagrams
Udp: 9
`;

test("the kernel's counters of segments are found by their names", () => {
  expect(segmentsOf(COUNTERS)).toEqual({ sent: 5042, again: 37 });
});

test("a kernel that does not count them is no proof", () => {
  expect(() => segmentsOf(COUNTERS.replace("RetransSegs", "Other"))).toThrow("RetransSegs");
});
