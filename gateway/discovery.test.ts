import { expect, test } from "vitest";
import { multicastInterfaces } from "./discovery.ts";

const common = { netmask: "", mac: "02:00:00:00:00:01", cidr: null };
const v6 = (address: string, internal = false) => ({
  ...common,
  family: "IPv6" as const,
  address,
  internal,
  scopeid: 2,
});
const v4 = (address: string) => ({ ...common, family: "IPv4" as const, address, internal: false });

test("announces where neighbours can be reached by link-local multicast, and nowhere else", () => {
  expect(
    multicastInterfaces({
      lo: [v6("::1", true), v6("fe80::1", true)],
      eth0: [v4("192.0.2.1"), v6("2001:db8::1"), v6("fe80::2")],
      wan: [v6("2001:db8:1::1")],
      old: [v4("192.0.2.2")],
    }),
  ).toEqual(["eth0"]);
});
