/* Authentication against BIRD, whose five types are those of RFC 5880; FRR's is another thing of the same name. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { SessionSpecInput } from "@paddock/uplink/bfd/session-spec.ts";
import { BFD_AUTH_TYPES, type BfdAuthType } from "@paddock/wire/bfd-auth.ts";
import { BFD_PORTS, BFD_STATES } from "@paddock/wire/bfd-packet.ts";
import { Capture } from "../capture.ts";
import { eventually } from "../namespaces.ts";
import { sendDatagrams } from "../peers/datagrams.ts";
import { Stand, birdFast, FAST } from "./stand.ts";
import { DIRECT } from "./topology.ts";

interface Key {
  readonly id: number;
  readonly secret: string;
}
const OLD: Key = { id: 7, secret: "s3cr3t-k3y" };
const NEW: Key = { id: 9, secret: "next" };

const stand = new Stand(["bird", "dumpcap", "tshark"]);

function ours(type: BfdAuthType, ...keys: readonly Key[]): SessionSpecInput {
  return { ...FAST, auth: { type, keys: [...keys] } };
}

/** BIRD signs with the first key and takes all of them, as we do. */
function birds(type: BfdAuthType, ...keys: readonly Key[]): string {
  const words = type === "simple-password" ? "simple" : type.replaceAll("-", " ");
  const passwords = keys.map(({ id, secret }) => `password "${secret}" { id ${id}; };`);
  return birdFast(`authentication ${words}; ${passwords.join(" ")}`);
}

async function refused(cause: string): Promise<number> {
  return (await stand.speaker.session()).refused[cause] ?? 0;
}

/** Waits until a packet was refused for this cause that was not refused before. */
async function newlyRefused(cause: string): Promise<void> {
  const before = await refused(cause);
  await eventually(`refused: ${cause}`, async () => (await refused(cause)) > before);
  assert.notEqual((await stand.speaker.session()).state, "up");
}

async function assertHeld(): Promise<void> {
  const { state, downs } = await stand.speaker.session();
  assert.deepEqual({ state, downs }, { state: "up", downs: 0 });
}

for (const type of BFD_AUTH_TYPES) {
  void test(`${type}: wrong keys never Up, replays refused, the key changed on both ends without a flap`, async () => {
    const { net, speaker } = stand;
    const capture = await Capture.start(net.us, "d0", `udp and src ${DIRECT.peer}`, stand.file("bird.pcapng"));
    const peer = stand.bird();
    await peer.start(birds(type, OLD));
    speaker.set(ours(type, { ...OLD, secret: "wrong" }));
    await newlyRefused("auth-digest");
    speaker.set(ours(type, { ...OLD, id: 8 }));
    await newlyRefused("auth-key-id");
    speaker.set(ours(type, OLD));
    await speaker.inState("up");
    await eventually("negotiated", async () => (await speaker.session()).detectionTimeMs === 150);

    const packets = await capture.finish(["bfd.sta", "udp.payload"]);
    // A password has no sequence: RFC 5880 §6.7.2 cannot tell a replay.
    if (type !== "simple-password") {
      const [, oldest] = packets.find(([state]) => Number(state) === BFD_STATES.indexOf("down"))!;
      const before = await refused("auth-sequence");
      const replay = {
        from: DIRECT.peer,
        fromPort: 50_000,
        to: DIRECT.us,
        toPort: BFD_PORTS.singleHop,
        hopLimit: 255,
        payload: oldest!,
      };
      sendDatagrams(net.peer, [replay, replay, replay]);
      await eventually("three replays are refused", async () => (await refused("auth-sequence")) === before + 3);
      await assertHeld();
    }

    const wrongKeys = await refused("auth-key-id");
    const steps = [[OLD, NEW], [NEW, OLD], [NEW]];
    for (const keys of steps) {
      peer.reconfigure(birds(type, ...keys));
      speaker.set(ours(type, ...keys));
      // Three detection times: packets signed by both ends' present keys were taken.
      const { received } = await speaker.session();
      await eventually("nine more packets", async () => (await speaker.session()).received >= received + 9);
      assert.equal(peer.sessions()[0]?.state, "Up");
      await assertHeld();
    }
    assert.equal(await refused("auth-key-id"), wrongKeys);
  });
}

void test("ends of two types never come Up, whichever of them we use; with the same one they do", async () => {
  await stand.bird().start(birds("keyed-md5", OLD));
  for (const type of BFD_AUTH_TYPES) {
    if (type === "keyed-md5") continue;
    stand.speaker.set(ours(type, OLD));
    await newlyRefused("auth-type");
  }
  stand.speaker.set(FAST);
  await newlyRefused("auth-unexpected");
  stand.speaker.set(ours("keyed-md5", OLD));
  await stand.speaker.inState("up");
});

void test("a peer without authentication never gets an authenticated session Up", async () => {
  await stand.bird().start(birdFast());
  stand.speaker.set(ours("keyed-sha1", OLD));
  await newlyRefused("auth-missing");
  await newlyRefused("auth-missing");
});
