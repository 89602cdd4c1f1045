import { createSecretKey } from "node:crypto";
import { describe, expect, test } from "vitest";
import { readBlock } from "@paddock/wire/coap-block.ts";
import { readMessage, type CoapMessage } from "@paddock/wire/coap-message.ts";
import {
  OPTION_BLOCK1,
  OPTION_CONTENT_FORMAT,
  OPTION_NO_RESPONSE,
  OPTION_REQUEST_TAG,
  OPTION_SIZE1,
  readUintOption,
} from "@paddock/wire/coap-options.ts";
import { decodeMac0, verifyMac0, type Mac0 } from "@paddock/wire/cose-mac.ts";
import { FRAME_BYTES_MAX } from "@paddock/wire/limits.ts";
import { checkSenml } from "@paddock/wire/senml.ts";
import { resolveSenml } from "@paddock/wire/senml-read.ts";
import { scenarioOf } from "../testing/scenarios.ts";
import { malformedFrame, MALFORMATIONS } from "./bad-content.ts";
import { makePlan } from "./plan.ts";
import { EXPECTED, type FrameKind, type PlannedFrame } from "./planned-frame.ts";
import { sensorKeyBytes } from "./sensor-key.ts";

const SEED = 3;

function framesOf(fleet: Record<string, unknown>, duration = "5s"): PlannedFrame[] {
  return [...makePlan({ scenario: scenarioOf({ cadence: "20ms", ...fleet }, { duration }), seed: SEED }).frames];
}

function ofKind(frames: readonly PlannedFrame[], kind: FrameKind): PlannedFrame[] {
  const found = frames.filter((frame) => frame.kind === kind);
  expect(found.length, `frames of kind ${kind}`).toBeGreaterThan(5);
  return found;
}

function messageOf(datagram: Uint8Array): CoapMessage {
  const message = readMessage(datagram);
  if (!message.ok) throw new Error(message.detail);
  return message.value;
}

function optionOf(message: CoapMessage, number: number): number | undefined {
  const value = message.options.find((option) => option.number === number)?.value;
  return value === undefined ? undefined : readUintOption(value, 0, value.length);
}

function macOf(frame: PlannedFrame): Mac0 {
  const mac = decodeMac0(frame.frame);
  if (!mac.ok) throw new Error(mac.detail);
  return mac.value;
}

function verifies(frame: PlannedFrame): boolean {
  return verifyMac0(macOf(frame), createSecretKey(sensorKeyBytes(SEED, frame.sensor)));
}

const SENML = { lwm2m: false };

describe("sensors without key", () => {
  test("good frames are good, one datagram each, with the frame as payload", () => {
    for (const frame of framesOf({})) {
      expect(checkSenml(frame.frame, SENML)).toBeUndefined();
      const message = messageOf(frame.sendings[0]!.datagrams[0]!);
      expect(Buffer.from(message.payload).equals(frame.frame)).toBe(true);
      expect(optionOf(message, OPTION_CONTENT_FORMAT)).toBe(112);
    }
  });

  test.each(MALFORMATIONS)("malformed: %s is refused by the codec", (malformation) => {
    expect(checkSenml(malformedFrame(malformation, "unit-0:", 1), SENML)).toBeDefined();
  });

  test("malformedCbor, over all of its ways", () => {
    for (const frame of ofKind(framesOf({ faults: { malformedCbor: 0.5 } }), "malformed-cbor")) {
      expect(checkSenml(frame.frame, SENML)).toBeDefined();
    }
  });

  test.each([112, 113])("truncatedCbor of format %i", (format) => {
    for (const frame of ofKind(framesOf({ format, count: 10, faults: { truncatedCbor: 0.5 } }), "truncated-cbor")) {
      expect(checkSenml(frame.frame, { lwm2m: false, sensml: format === 113 })).toBeDefined();
    }
  });

  test("wrongFormat carries good content under a format that is no sensor's", () => {
    for (const frame of ofKind(framesOf({ faults: { wrongFormat: 0.3 } }), "wrong-format")) {
      expect(checkSenml(frame.frame, SENML)).toBeUndefined();
      expect([112, 113, 17]).not.toContain(
        optionOf(messageOf(frame.sendings[0]!.datagrams[0]!), OPTION_CONTENT_FORMAT) ?? 0,
      );
    }
  });

  test("duplicate leaves twice, soon", () => {
    for (const frame of ofKind(framesOf({ faults: { duplicate: 0.3 } }), "duplicate")) {
      expect(frame.repeatAfterUs).toBeGreaterThan(0);
      expect(checkSenml(frame.frame, SENML)).toBeUndefined();
    }
  });

  test("stuckValue holds the value for so many frames, and the frames stay unique", () => {
    const model = { kind: "random-walk", name: "flow", initial: 0, step: 1 };
    const frames = framesOf({ count: 1, model, faults: { stuckValue: 0.1, stuckFrames: 5 } });
    const values = frames.map(({ frame }) => {
      const readings = resolveSenml(frame, { now: 0 });
      return readings.ok ? readings.value[1]!.value : undefined;
    });
    ofKind(frames, "stuck-value");
    for (const [index, { kind }] of frames.entries()) {
      // A good frame takes a reading of its own; the first frame of a spell does so too, those behind it repeat it.
      if (index > 0 && kind === "good") expect(values[index]).not.toBe(values[index - 1]);
    }
    const spellStart = frames.findIndex(({ kind }) => kind === "stuck-value");
    expect(new Set(values.slice(spellStart, spellStart + 5)).size).toBe(1);
    expect(new Set(values).size).toBeLessThan(frames.length);
    expect(new Set(frames.map(({ frame }) => Buffer.from(frame).toString("hex"))).size).toBe(frames.length);
  });

  test("reboot counts Message-IDs from the start again, under new content", () => {
    const frames = framesOf({ count: 1, faults: { reboot: 0.05 } });
    const first = messageOf(frames[0]!.sendings[0]!.datagrams[0]!).messageId;
    for (const frame of ofKind(frames, "reboot")) {
      expect(messageOf(frame.sendings[0]!.datagrams[0]!).messageId).toBe(first);
      expect(frame.frame).not.toEqual(frames[0]!.frame);
    }
  });

  test("abandonedBlocks ends before the last block", () => {
    for (const frame of ofKind(framesOf({ faults: { abandonedBlocks: 0.3 } }), "abandoned-blocks")) {
      const messages = frame.sendings[0]!.datagrams.map((datagram) => messageOf(datagram));
      expect(messages.length).toBeGreaterThan(0);
      for (const [num, message] of messages.entries()) {
        const value = message.options.find(({ number }) => number === OPTION_BLOCK1)!.value;
        expect(readBlock(value, 0, value.length)).toMatchObject({ ok: true, value: { num, more: true } });
      }
    }
  });

  test("oversize says so in Size1 and is above the limit", () => {
    const frames = framesOf({ count: 1, faults: { oversize: 0.2 } });
    for (const frame of ofKind(frames, "oversize")) {
      expect(frame.frame.length).toBeGreaterThan(FRAME_BYTES_MAX);
      expect(optionOf(messageOf(frame.sendings[0]!.datagrams[0]!), OPTION_SIZE1)).toBe(frame.frame.length);
    }
  });

  test("a clock that is off shows in the times; one that is missing gives relative ones", () => {
    const [skewed] = framesOf({ count: 1, clock: { skew: "1h" } });
    const skewedTime = resolveSenml(skewed!.frame, { now: 0 });
    if (!skewedTime.ok) throw new Error(skewedTime.detail);
    expect(Math.abs(skewedTime.value[0]!.time - Date.UTC(2026, 0, 1) / 1000)).toBeGreaterThan(1);
    const [clockless] = framesOf({ count: 1, clock: { without: 1 } });
    const relative = resolveSenml(clockless!.frame, { now: 5000 });
    if (!relative.ok) throw new Error(relative.detail);
    expect(relative.value[0]!.time).toBeCloseTo(4999.999, 6);
  });

  test("the fates match the kinds", () => {
    expect(
      Object.entries(EXPECTED)
        .filter(([, expected]) => expected === "stored")
        .map(([kind]) => kind),
    ).toEqual(["good", "duplicate", "stuck-value", "reboot"]);
  });
});

describe("keyed sensors", () => {
  test("good frames verify and count up", () => {
    const frames = framesOf({ keyed: true, count: 1, format: 113, tagBits: 256 });
    for (const [index, frame] of frames.entries()) {
      expect(verifies(frame)).toBe(true);
      expect(macOf(frame)).toMatchObject({ sequence: index, sensor: "unit-0", format: 113, algorithm: 5 });
      expect(checkSenml(macOf(frame).payload, { lwm2m: false, sensml: true })).toBeUndefined();
    }
  });

  test("badTag does not verify", () => {
    for (const frame of ofKind(framesOf({ keyed: true, faults: { badTag: 0.3 } }), "bad-tag"))
      expect(verifies(frame)).toBe(false);
  });

  test("replay repeats the bytes of an earlier frame under another Message-ID", () => {
    const frames = framesOf({ keyed: true, faults: { replay: 0.3 } });
    for (const frame of ofKind(frames, "replay")) {
      const original = frames.find(({ n, frame: bytes }) => n < frame.n && Buffer.from(bytes).equals(frame.frame));
      expect(original?.kind).toBe("good");
      expect(messageOf(original!.sendings[0]!.datagrams[0]!).messageId).not.toBe(
        messageOf(frame.sendings[0]!.datagrams[0]!).messageId,
      );
    }
  });

  test("staleSequence verifies, with new content under a number beyond the window", () => {
    const frames = framesOf({ keyed: true, count: 1, faults: { staleSequence: 0.2 } });
    for (const frame of ofKind(frames, "stale-sequence")) {
      expect(verifies(frame)).toBe(true);
      const highest = Math.max(...frames.filter(({ n }) => n < frame.n).map((earlier) => macOf(earlier).sequence));
      expect(highest - macOf(frame).sequence).toBeGreaterThan(64);
    }
  });

  test("malformedCbor has a good tag around bad content", () => {
    for (const frame of ofKind(framesOf({ keyed: true, faults: { malformedCbor: 0.3 } }), "malformed-cbor")) {
      expect(verifies(frame)).toBe(true);
      expect(checkSenml(macOf(frame).payload, SENML)).toBeDefined();
    }
  });

  test("several sources send the same frame, each under its own endpoint and token", () => {
    const plan = makePlan({ scenario: scenarioOf({ keyed: true, sources: ["::1", "fd00::/64"] }), seed: SEED });
    expect(plan.endpoints.map(({ address }) => address)).toEqual(["::1", "fd00::1", "::1", "fd00::2"]);
    for (const { frame, sendings } of plan.frames) {
      expect(new Set(sendings.map(({ endpoint }) => endpoint)).size).toBe(2);
      expect(new Set(sendings.map(({ token }) => token)).size).toBe(2);
      for (const { datagrams } of sendings)
        expect(Buffer.from(messageOf(datagrams[0]!).payload).equals(frame)).toBe(true);
    }
  });
});

describe("messages", () => {
  test("con, non, and non that wants no answer", () => {
    const [con, non, silent] = ["con", "non", "non-no-response"].map((message) =>
      messageOf(framesOf({ message })[0]!.sendings[0]!.datagrams[0]!),
    );
    expect([con!.type, non!.type, silent!.type]).toEqual([0, 1, 1]);
    expect([con, non, silent].map((message) => optionOf(message!, OPTION_NO_RESPONSE))).toEqual([
      undefined,
      undefined,
      26,
    ]);
  });

  test("Block1 cuts a frame into blocks that join to the frame, under one Request-Tag", () => {
    const [frame] = framesOf({ frameBytes: 1000, blockBytes: 64 });
    const messages = frame!.sendings[0]!.datagrams.map((datagram) => messageOf(datagram));
    expect(messages.length).toBe(16);
    expect(Buffer.concat(messages.map(({ payload }) => payload)).equals(frame!.frame)).toBe(true);
    expect(new Set(messages.map((message) => optionOf(message, OPTION_REQUEST_TAG))).size).toBe(1);
    expect(new Set(messages.map(({ messageId }) => messageId)).size).toBe(16);
    const last = messages.at(-1)!.options.find(({ number }) => number === OPTION_BLOCK1)!.value;
    expect(readBlock(last, 0, last.length)).toEqual({ ok: true, value: { num: 15, more: false, szx: 2 } });
  });
});
