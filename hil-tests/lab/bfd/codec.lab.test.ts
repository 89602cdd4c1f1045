/* The codec against tshark's dissector: what we encode at random, it must read as we meant it. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { seededRandom } from "@paddock/base/random.ts";
import { BFD_AUTH_TYPES, signBfdPacket } from "@paddock/wire/bfd-auth.ts";
import { BFD_STATES, type BfdPacket, encodeBfdPacket } from "@paddock/wire/bfd-packet.ts";

const COUNT = 500;
/** LINKTYPE_IPV6: each packet begins with its IPv6 header. */
const LINK_TYPE = 229;

const random = seededRandom(5880);
const packets: readonly BfdPacket[] = Array.from({ length: COUNT }, () => ({
  diagnostic: random.below(9),
  state: BFD_STATES[random.below(4)]!,
  poll: random.below(2) === 1,
  final: random.below(2) === 1,
  controlPlaneIndependent: random.below(2) === 1,
  demand: random.below(2) === 1,
  detectMult: 1 + random.below(255),
  myDiscriminator: 1 + random.below(0xffff_ffff),
  yourDiscriminator: random.uint32(),
  desiredMinTxUs: random.uint32(),
  requiredMinRxUs: random.uint32(),
  requiredMinEchoRxUs: random.uint32(),
}));

void test("tshark reads every field of 500 random packets as encoded, authenticated or not", () => {
  const datagrams = packets.map((packet, index) => {
    const type = BFD_AUTH_TYPES[index % 6];
    const plain = encodeBfdPacket(packet);
    return type === undefined
      ? plain
      : signBfdPacket(plain, { type, keys: [{ id: 7, secret: Buffer.from("s3cr3t-k3y") }] }, index);
  });
  const fields =
    "bfd.diag bfd.sta bfd.flags.p bfd.flags.f bfd.flags.c bfd.flags.a bfd.flags.d bfd.flags.m bfd.detect_time_multiplier bfd.my_discriminator bfd.your_discriminator bfd.desired_min_tx_interval bfd.required_min_rx_interval bfd.required_min_echo_interval bfd.auth.type bfd.auth.key bfd.auth.seq_num";
  const rows = dissect(datagrams, fields.split(" "));
  assert.equal(rows.length, COUNT);
  for (const [index, packet] of packets.entries()) {
    const authType = index % 6;
    const expected = [
      packet.diagnostic,
      BFD_STATES.indexOf(packet.state),
      Number(packet.poll),
      Number(packet.final),
      Number(packet.controlPlaneIndependent),
      authType === 5 ? 0 : 1,
      Number(packet.demand),
      0,
      packet.detectMult,
      packet.myDiscriminator,
      packet.yourDiscriminator,
      packet.desiredMinTxUs,
      packet.requiredMinRxUs,
      packet.requiredMinEchoRxUs,
      authType === 5 ? undefined : authType + 1,
      authType === 5 ? undefined : 7,
      authType === 5 || authType === 0 ? undefined : index,
    ];
    assert.deepEqual(rows[index], expected, `packet ${index}`);
  }
});

function dissect(datagrams: readonly Buffer[], fields: readonly string[]): (number | undefined)[][] {
  const directory = mkdtempSync(join(tmpdir(), "pdk-codec-"));
  try {
    const file = join(directory, "packets.pcap");
    writeFileSync(file, Buffer.concat([pcapHeader(), ...datagrams.map((datagram) => pcapRecord(datagram))]));
    const args = ["-r", file, "-T", "fields", ...fields.flatMap((field) => ["-e", field])];
    const text = execFileSync("tshark", args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
    const lines = text.split("\n").slice(0, -1);
    return lines.map((line) => line.split("\t").map((cell) => number(cell)));
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** tshark writes numbers in either base and booleans as words or digits. */
function number(cell: string): number | undefined {
  if (cell === "") return undefined;
  if (cell === "True" || cell === "False") return cell === "True" ? 1 : 0;
  return Number(cell);
}

function pcapHeader(): Buffer {
  const header = Buffer.alloc(24);
  header.writeUInt32LE(0xa1b2c3d4, 0);
  header.writeUInt16LE(2, 4);
  header.writeUInt16LE(4, 6);
  header.writeUInt32LE(65_535, 16);
  header.writeUInt32LE(LINK_TYPE, 20);
  return header;
}

function pcapRecord(datagram: Buffer): Buffer {
  const record = Buffer.alloc(16 + 40 + 8);
  const udpBytes = 8 + datagram.length;
  record.writeUInt32LE(40 + udpBytes, 8);
  record.writeUInt32LE(40 + udpBytes, 12);
  const ip = record.subarray(16);
  ip.writeUInt32BE(0x6000_0000, 0);
  ip.writeUInt16BE(udpBytes, 4);
  ip.set([17, 255], 6);
  ip.set([0xfd, 0], 8);
  ip.set([0xfd, 0], 24);
  ip.writeUInt16BE(50_000, 40);
  ip.writeUInt16BE(3784, 42);
  ip.writeUInt16BE(udpBytes, 44);
  return Buffer.concat([record, datagram]);
}
