import { describe, expect, test } from "vitest";
import {
  addressRecords,
  conflictIn,
  instanceName,
  recordsForLink,
  servicesOn,
  txtOf,
  type DnsRecord,
} from "./discovery-records.ts";

const ID = "0123456789abcdef".repeat(4);
const WHO = { name: "n", id: ID, notices: [] };
const LINK = { name: "eth0", index: 2, addresses: ["2001:db8::1", "fe80::2"] };
const any = { address: "::", port: 5683 };

/** What is announced for these listeners. */
const bound = (...listeners: { address: string; port: number }[]) =>
  servicesOn(LINK, { ...WHO, listeners }).map(({ name, host, port, addresses }) => [name, host, port, addresses]);

describe("what is announced on a link", () => {
  test("a wildcard listener, with every address of the link and a host name that only this gateway has", () => {
    expect(servicesOn(LINK, { ...WHO, name: "north fence", listeners: [any] })).toEqual([
      { name: "north fence", host: "paddock-0123456789ab.local", port: 5683, addresses: ["2001:db8::1", "fe80::2"] },
    ]);
  });

  test("a listener that neighbours cannot reach is not announced; two ports are two services", () => {
    expect(bound({ address: "::1", port: 5683 })).toEqual([]);
    expect(bound({ address: "2001:db8:9::1", port: 5683 })).toEqual([]);
    expect(bound({ address: "::1", port: 1 }, { address: "2001:db8::1", port: 2 }, any)).toEqual([
      ["n", "paddock-0123456789ab.local", 2, ["2001:db8::1"]],
      ["n-5683", "paddock-0123456789ab-5683.local", 5683, ["2001:db8::1", "fe80::2"]],
    ]);
    expect(bound({ address: "2001:db8::1", port: 2 }, { address: "fe80::2%eth0", port: 2 })).toEqual([
      ["n", "paddock-0123456789ab.local", 2, ["2001:db8::1", "fe80::2"]],
    ]);
  });

  test("after a conflict the names are others, and never longer than a label", () => {
    const [service] = servicesOn(LINK, { ...WHO, name: "ä".repeat(31), listeners: [any] }, 2);
    expect(service).toMatchObject({ name: `${"ä".repeat(30)}-2`, host: "paddock-0123456789ab-2.local" });
  });
});

test("the TXT record tells how much is wrong and where, not what, and fits into one string", () => {
  expect(txtOf({ id: ID, notices: [] })).toEqual({ id: ID });
  const notices = ['gateway.json line 3: paths[0].endpoint: "x" is refused.', "hostname line 1: this is no name."];
  expect(txtOf({ id: ID, notices })).toEqual({ id: ID, errors: "2", error: "gateway.json line 3" });
  const { error } = txtOf({ id: ID, notices: ["ä".repeat(300)] });
  expect(Buffer.byteLength(`error=${error}`)).toBeLessThanOrEqual(255);
});

describe("records", () => {
  const services = servicesOn(LINK, { ...WHO, listeners: [{ address: "2001:db8::1", port: 5683 }] });
  const host = "paddock-0123456789ab.local";
  test("of addresses where nothing listens do not leave, and unique ones say so", () => {
    const records: DnsRecord[] = [
      { name: "_coap._udp.local", type: "PTR", data: "n._coap._udp.local" },
      { name: "n._coap._udp.local", type: "SRV", data: { port: 5683, target: host } },
      { name: host, type: "A", data: "192.0.2.1" },
      { name: host, type: "AAAA", data: "fe80::2" },
      { name: host, type: "AAAA", data: "2001:db8::1" },
    ];
    expect(recordsForLink(records, services)).toEqual([
      records[0],
      { ...records[1], flush: true },
      { ...records[4], flush: true },
    ]);
    expect(addressRecords(services[0]!, 0)).toEqual([
      { name: host, type: "AAAA", ttl: 0, flush: true, data: "2001:db8::1" },
    ]);
  });

  test("of somebody else under our names are a conflict; our own, seen again, are none", () => {
    expect(instanceName({ ...services[0]!, name: "n.1" })).toBe("n-1._coap._udp.local");
    expect(conflictIn([{ name: "N._coap._udp.LOCAL", type: "SRV" }], services)).toBe("n._coap._udp.local");
    expect(conflictIn([{ name: host, type: "AAAA", data: "2001:db8::7" }], services)).toBe(host);
    expect(conflictIn([{ name: host, type: "A", data: "192.0.2.1" }], services)).toBe(host);
    expect(conflictIn([{ name: host, type: "AAAA", data: "2001:db8::1" }], services)).toBeUndefined();
    expect(conflictIn([{ name: "vm.local", type: "AAAA", data: "2001:db8::7" }], services)).toBeUndefined();
  });
});
