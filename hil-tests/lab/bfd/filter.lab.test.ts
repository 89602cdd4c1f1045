/* nix/bfd.nft, the very file that images ship: what it stops, what it lets pass, and how it marks what we send. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { BFD_PORTS, encodeBfdPacket } from "@paddock/wire/bfd-packet.ts";
import { Capture } from "../capture.ts";
import { eventually, type Namespace } from "../namespaces.ts";
import { type Datagram, sendDatagrams } from "../peers/datagrams.ts";
import { Stand, FAST, FRR_FAST, FRR_MULTIHOP, MULTIHOP } from "./stand.ts";
import { DIRECT, ROUTED } from "./topology.ts";

const FILTER = join(import.meta.dirname, "../../../nix/bfd.nft");
const IPV4 = { us: "192.0.2.1", peer: "192.0.2.2" } as const;
/** Class selector 6 as the six bits of the traffic class. */
const CS6 = 48;

/** A Down in the name of the peer: one that gets through ends the session. */
const DEADLY = encodeBfdPacket({
  diagnostic: 0,
  state: "down",
  poll: false,
  final: false,
  controlPlaneIndependent: false,
  demand: false,
  detectMult: 3,
  myDiscriminator: 0xbad,
  yourDiscriminator: 0,
  desiredMinTxUs: 1_000_000,
  requiredMinRxUs: 1_000_000,
  requiredMinEchoRxUs: 0,
}).toString("hex");
/** No BFD at all: where it gets through, the speaker counts it under "version" and does nothing else. */
const HARMLESS = "00";

const stand = new Stand(["bfdd", "dumpcap", "tshark"]);

const DIRECT_WAY = { from: DIRECT.peer, fromPort: 50_000, to: DIRECT.us, toPort: BFD_PORTS.singleHop };
/** Over one router, which takes one off the hop limit. */
const ROUTED_WAY = { from: ROUTED.peer, fromPort: 50_000, to: ROUTED.us, toPort: BFD_PORTS.multihop };
const IPV4_WAY = { from: IPV4.peer, fromPort: 50_000, to: IPV4.us };

/** Counter by counter, what has to stop at it. */
const SPOOFED: Readonly<Record<string, readonly Datagram[]>> = {
  single_hop_hop_limit: [
    { ...DIRECT_WAY, hopLimit: 254, payload: DEADLY },
    { ...DIRECT_WAY, hopLimit: 64, payload: DEADLY },
    { ...IPV4_WAY, toPort: BFD_PORTS.singleHop, hopLimit: 254, payload: DEADLY },
  ],
  echo_hop_limit: [
    { ...DIRECT_WAY, toPort: BFD_PORTS.echo, hopLimit: 255, payload: HARMLESS },
    { ...DIRECT_WAY, toPort: BFD_PORTS.echo, hopLimit: 253, payload: HARMLESS },
    { ...ROUTED_WAY, toPort: BFD_PORTS.echo, hopLimit: 254, payload: HARMLESS },
    { ...IPV4_WAY, toPort: BFD_PORTS.echo, hopLimit: 255, payload: HARMLESS },
  ],
  multihop_hop_limit: [
    { ...ROUTED_WAY, hopLimit: 250, payload: DEADLY },
    { ...ROUTED_WAY, hopLimit: 64, payload: DEADLY },
    { ...IPV4_WAY, toPort: BFD_PORTS.multihop, hopLimit: 249, payload: DEADLY },
  ],
  source_port: [
    { ...DIRECT_WAY, fromPort: 1024, hopLimit: 255, payload: DEADLY },
    { ...DIRECT_WAY, fromPort: 49_151, hopLimit: 255, payload: DEADLY },
    { ...ROUTED_WAY, fromPort: 1024, hopLimit: 255, payload: DEADLY },
  ],
};
/**
 * The nearest that is still right. FRR itself speaks from 49152; and whether an echo passes shows in its session alone,
 * whose socket takes nothing but what came from its own address.
 */
const PASSING: readonly Datagram[] = [
  { ...DIRECT_WAY, hopLimit: 255, payload: HARMLESS },
  { ...ROUTED_WAY, fromPort: 65_535, hopLimit: 251, payload: HARMLESS },
];

void test("spoofed packets stop at the shipped packet filter, each at its counter; the sessions stay Up", async () => {
  const { net, speaker } = stand;
  net.us.run("nft", "-f", FILTER);
  addIPv4();
  stand.routeEchoes();
  stand.frr().start(FRR_FAST + FRR_MULTIHOP);
  const names = ["one", "multihop", "echo"];
  speaker.set(
    FAST,
    { ...MULTIHOP, name: "multihop" },
    { name: "echo", kind: "echo", local: ROUTED.us, profile: "fast", adaptive: false },
  );
  for (const name of names) await speaker.inState("up", name);
  assert.deepEqual(new Set(Object.values(droppedIn(net.us))), new Set([0]), "true packets are dropped");
  const refusedBefore = (await speaker.report()).refused["version"] ?? 0;

  sendDatagrams(net.peer, [...Object.values(SPOOFED).flat(), ...PASSING]);

  await eventually(
    "what is right gets through",
    async () => ((await speaker.report()).refused["version"] ?? 0) === refusedBefore + PASSING.length,
  );
  const expected = Object.entries(SPOOFED).map(([counter, datagrams]) => [counter, datagrams.length]);
  assert.deepEqual(droppedIn(net.us), Object.fromEntries(expected));
  for (const name of names) {
    const { state, downs } = await speaker.session(name);
    assert.deepEqual({ name, state, downs }, { name, state: "up", downs: 0 });
  }
});

void test("what we send is marked CS6 on all four ports, IPv4 too, and so is what a reflector answers", async () => {
  const { net, speaker } = stand;
  net.us.run("nft", "-f", FILTER);
  addIPv4();
  stand.routeEchoes();
  const direct = await Capture.start(net.us, "d0", "udp", stand.file("direct.pcapng"));
  const routed = await Capture.start(net.us, "u0", "udp", stand.file("routed.pcapng"));
  speaker.set(
    FAST,
    { ...MULTIHOP, name: "multihop" },
    { name: "echo", kind: "echo", local: ROUTED.us, profile: "fast" },
    { ...MULTIHOP, name: "seamless", kind: "seamless", remoteDiscriminator: 900 },
  );
  for (const name of ["one", "multihop", "echo", "seamless"]) {
    await eventually(`${name} has sent`, async () => (await speaker.session(name)).sent > 0);
  }
  const plain = { hopLimit: 255, payload: HARMLESS };
  sendDatagrams(net.us, [
    { ...plain, from: DIRECT.us, fromPort: BFD_PORTS.seamless, to: DIRECT.peer, toPort: 50_000 },
    { ...plain, from: DIRECT.us, fromPort: 50_000, to: DIRECT.peer, toPort: 50_000 },
    { ...plain, from: IPV4.us, fromPort: 50_000, to: IPV4.peer, toPort: BFD_PORTS.singleHop },
  ]);

  const fields = ["udp.srcport", "udp.dstport", "ipv6.src", "ipv6.tclass.dscp", "ip.src", "ip.dsfield.dscp"];
  const rows = [...(await direct.finish(fields)), ...(await routed.finish(fields))];
  const ourAddresses = new Set<string>([DIRECT.us, ROUTED.us, IPV4.us]);
  const marks = new Map<string, Set<number>>();
  for (const [sourcePort, port, source6, mark6, source4, mark4] of rows) {
    if (!ourAddresses.has((source6 || source4)!)) continue;
    const fromReflector = Number(sourcePort) === BFD_PORTS.seamless;
    const what = fromReflector ? "reflector" : `${source6 ? "IPv6" : "IPv4"} to ${port}`;
    marks.set(what, (marks.get(what) ?? new Set()).add(Number(mark6 || mark4)));
  }
  const marked = ["IPv6 to 3784", "IPv6 to 3785", "IPv6 to 4784", "IPv6 to 7784", "IPv4 to 3784", "reflector"];
  for (const what of marked) assert.deepEqual(marks.get(what), new Set([CS6]), what);
  assert.deepEqual(marks.get("IPv6 to 50000"), new Set([0]), "what is not BFD stays as it is");
});

function addIPv4(): void {
  stand.net.us.run("ip", "addr", "add", `${IPV4.us}/24`, "dev", "d0");
  stand.net.peer.run("ip", "addr", "add", `${IPV4.peer}/24`, "dev", "d1");
}

/** Packets by counter, as `nft -j` gives them to whoever feeds metrics. */
function droppedIn(namespace: Namespace): Record<string, number> {
  const { nftables } = JSON.parse(namespace.run("nft", "-j", "list", "counters", "table", "inet", "bfd")) as {
    nftables: { counter?: { name: string; packets: number } }[];
  };
  return Object.fromEntries(
    nftables.flatMap(({ counter }) => (counter === undefined ? [] : [[counter.name, counter.packets]])),
  );
}
