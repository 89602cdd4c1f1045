/*
 * Every UDP socket of the programs takes whatever a raw socket can send and goes on: source port 0, its own address as
 * source, a group as source, no payload, every length.
 *
 *     node --test hil-tests/lab/ingest/raw-packets.lab.test.ts
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { askGateway } from "@paddock/gateway/status/status-client.ts";
import { BFD_PORTS, encodeBfdPacket } from "@paddock/wire/bfd-packet.ts";
import { SpeakerProcess } from "../bfd/speaker-process.ts";
import { Program } from "../failover/program.ts";
import { eventually, Lab, missingForLab, type Namespace } from "../namespaces.ts";

const RAW_PACKETS = fileURLToPath(import.meta.resolve("../peers/raw-packets.py"));
const US = "2001:db8:2::1";
const PEER = "2001:db8:2::2";
const DISCRIMINATOR = 900;
const SEAMLESS_PORT = 7784;
const MDNS_PORT = 5353;
/** Lengths around every header's end, and the ones around an MTU. */
const LENGTHS = [0, 1, 2, 3, 4, 5, 7, 8, 11, 12, 16, 23, 24, 25, 28, 52, 56, 64, 255, 256, 1280, 1440];

interface Target {
  readonly to: string;
  readonly port: number;
  readonly payloads: readonly string[];
}

/** Sends all combinations to a target and returns how many packets left. */
function sendRaw(from: Namespace, { to, port, payloads }: Target): number {
  const plan = {
    sources: [PEER, US, "ff02::1", "::", "::1", "::ffff:192.0.2.1"],
    ports: [0, 1, port, 40_000],
    targets: [{ to, port }],
    payloads,
    lengths: LENGTHS,
  };
  const command = ["netns", "exec", from.name, "python3", RAW_PACKETS];
  return Number(execFileSync("ip", command, { input: JSON.stringify(plan), encoding: "utf8" }));
}

const bfd = (yourDiscriminator: number): string =>
  encodeBfdPacket({
    diagnostic: 0,
    state: "down",
    poll: false,
    final: false,
    controlPlaneIndependent: false,
    demand: yourDiscriminator !== 0,
    detectMult: 3,
    myDiscriminator: 7,
    yourDiscriminator,
    desiredMinTxUs: 1_000_000,
    requiredMinRxUs: yourDiscriminator === 0 ? 1_000_000 : 0,
    requiredMinEchoRxUs: 0,
  }).toString("hex");

/** A CON with a frame, a NON with one that wants no answer, a ping, the list, a first block, junk. */
const COAP = [
  "40020101b16911 70ff81a200617a0201",
  "50020102b1691170e9f51aff81a200617a0202",
  "40001234",
  "4001 0103 bb2e77656c6c2d6b6e6f776e04636f7265",
  "40020104b1691170d1 0208 ff0102",
  "ffffffffffffffff",
].map((hex) => hex.replaceAll(" ", ""));
/** A query for the service, one for anything, a response of nothing. */
const MDNS = [
  "000000000001000000000000055f636f6170045f756470056c6f63616c00000c0001",
  "000000000001000000000000055f636f6170045f756470056c6f63616c0000ff0001",
  "000084000000000000000000",
];

let lab: Lab | undefined;
before(() => assert.deepEqual(missingForLab(["ip", "python3"]), []));
afterEach(() => lab?.destroy());

void test("gateway, collector and BFD speaker live through every raw packet", { timeout: 300_000 }, async () => {
  lab = new Lab();
  const [machine, stranger] = [lab.namespace("gw"), lab.namespace("sn")];
  lab.wire(machine, "l0", stranger, "s0");
  machine.address("l0", `${US}/64`);
  stranger.address("s0", `${PEER}/64`);
  await eventually("the link-local addresses are there", () => {
    stranger.linkLocalOf("s0");
    return machine.linkLocalOf("l0");
  });
  const start = async (name: "gateway" | "collector", settings: object): Promise<Program> => {
    const config = join(lab!.directory, `${name}.json`);
    await writeFile(config, JSON.stringify({ dataDir: join(lab!.directory, name), ...settings }));
    return await Program.start(machine, name, ["run", "--config", config], join(lab!.directory, `${name}.log`));
  };
  const socket = join(lab.directory, "status.sock");
  const gateway = await start("gateway", {
    plainListen: [{ address: "::", port: 5685 }],
    store: { minFreeBytes: 0 },
    status: { socket },
  });
  const collector = await start("collector", {
    listen: [{ address: "::", port: 8443 }],
    bfd: { seamless: { listen: [{ address: US }], discriminator: DISCRIMINATOR } },
  });
  const speaker = new SpeakerProcess(machine, lab.directory);
  await speaker.start();
  const pid = speaker.pid;
  const targets: readonly Target[] = [
    { to: US, port: 5683, payloads: COAP },
    { to: "ff02::fd%s0", port: 5683, payloads: COAP },
    { to: US, port: 5685, payloads: ["81a200617a0203", "d1ff", "ffff"] },
    { to: "ff02::fb%s0", port: MDNS_PORT, payloads: MDNS },
    { to: US, port: MDNS_PORT, payloads: MDNS },
    { to: US, port: SEAMLESS_PORT, payloads: [bfd(DISCRIMINATOR), bfd(1), "ff"] },
    { to: US, port: BFD_PORTS.singleHop, payloads: [bfd(0), bfd(1), "ff"] },
    { to: US, port: BFD_PORTS.multihop, payloads: [bfd(0), bfd(1), "ff"] },
    { to: US, port: BFD_PORTS.echo, payloads: [bfd(0), "ff"] },
  ];
  for (const target of targets) {
    assert.ok(sendRaw(stranger, target) > 1000);
    assert.ok(gateway.running, `the gateway ended after port ${target.port}`);
    assert.ok(collector.running, `the collector ended after port ${target.port}`);
  }
  // The packets were really taken: what had nobody to answer was counted, and no handler failed.
  const { ingest } = await askGateway<"status">(socket, { get: "status" });
  assert.ok(ingest.answersUnanswerable > 100, String(ingest.answersUnanswerable));
  assert.equal(ingest.failedDatagrams, 0);
  assert.ok(ingest.receivedDatagrams > 2000, String(ingest.receivedDatagrams));
  assert.equal(speaker.pid, pid);
  process.kill(pid, 0);
  assert.equal(await gateway.end("SIGTERM"), 0);
  assert.equal(await collector.end("SIGTERM"), 0);
  await speaker.stop();
});
