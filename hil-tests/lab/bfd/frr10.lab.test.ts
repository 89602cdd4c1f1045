/* What FRR 10 does otherwise than the FRR of bookworm; hil-tests/setup.sh fetches it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { SessionSpecInput } from "@paddock/uplink/bfd/session-spec.ts";
import { eventually } from "../namespaces.ts";
import { FRR10 } from "../peers/frr10.ts";
import { FAST, FRR_FAST, frrLinkLocal, Stand } from "./stand.ts";
import { DIRECT } from "./topology.ts";

const stand = new Stand(["bfdd"]);

void test("its seamless reflector, which copies our interval back: the configured pace all the same", async () => {
  const peer = stand.frr(FRR10);
  peer.start(` sbfd reflector source-address ${DIRECT.peer} discriminator 900`);
  const seamless: SessionSpecInput = {
    name: "one",
    kind: "seamless",
    local: DIRECT.us,
    remote: DIRECT.peer,
    remoteDiscriminator: 900,
    profile: "fast",
    adaptive: false,
  };
  stand.speaker.set(seamless, { ...seamless, name: "slow", profile: "slow" });
  await stand.speaker.inState("up");
  await stand.speaker.inState("up", "slow");
  const { transmitIntervalMs, detectionTimeMs } = await stand.speaker.session();
  assert.deepEqual({ transmitIntervalMs, detectionTimeMs }, { transmitIntervalMs: 50, detectionTimeMs: 150 });
  assert.equal((await stand.speaker.session("slow")).transmitIntervalMs, 10_000);
  await peer.stop();
  assert.equal((await stand.speaker.inState("down")).liveness, "down");
});

void test("Up, switched off and on again: unknown meanwhile, and never called down", async () => {
  const peer = stand.frr(FRR10);
  peer.start(FRR_FAST);
  stand.speaker.set(FAST);
  await stand.speaker.inState("up");
  await eventually("negotiated", async () => (await stand.speaker.session()).detectionTimeMs === 150);
  const before = stand.speaker.states().length;
  peer.configure(`peer ${DIRECT.us} local-address ${DIRECT.peer}`, "shutdown");
  assert.equal((await stand.speaker.inState("down")).liveness, "unknown");
  // It says so once and is silent then: that stays the best explanation.
  await eventually("long silent", async () => ((await stand.speaker.session()).sinceLastPacketMs ?? 0) > 600);
  assert.equal((await stand.speaker.session()).liveness, "unknown");
  peer.configure(`peer ${DIRECT.us} local-address ${DIRECT.peer}`, "no shutdown");
  await stand.speaker.inState("up");
  const livenesses = stand.speaker.states().map(({ liveness }) => liveness);
  assert.ok(!livenesses.slice(before).includes("down"), livenesses.join(" "));
});

void test("stopped by SIGTERM it says nothing: down after the detection time", async () => {
  const peer = stand.frr(FRR10);
  peer.start(FRR_FAST);
  stand.speaker.set(FAST);
  await stand.speaker.inState("up");
  await peer.stop();
  const { lastDown } = await stand.speaker.inState("down");
  assert.equal(lastDown?.reason, "detection-expired");
});

void test("a link-local peer that was typed in speaks from its global address: the session names it", async () => {
  const [here, there] = [stand.net.us.linkLocalOf("d0"), stand.net.peer.linkLocalOf("d1")];
  const peer = stand.frr(FRR10);
  peer.start("", { zebra: true });
  await eventually("zebra has told it of d1", () => {
    peer.configure(...frrLinkLocal(here, there).trim().split("\n"));
    return true;
  });
  stand.speaker.set({ ...FAST, local: `${here}%d0`, remote: `${there}%d0` });
  const session = await eventually("either is so", async () => {
    const now = await stand.speaker.session();
    return (now.state === "up" || now.strangerAddress !== null) && now;
  });
  // Seen with 10.3; should a later one speak from the right address, so much the better.
  if (session.state !== "up") assert.equal(session.strangerAddress, DIRECT.peer);
});
