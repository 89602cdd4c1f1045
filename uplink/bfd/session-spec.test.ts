import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { parseConfig } from "@paddock/base/config.ts";
import { PROCESS_SCHEMA } from "./process-config.ts";
import { parseSession, REGISTERED_PORTS, sessionAuth, sessionPorts, sessionTimers } from "./session-spec.ts";
import { profileTable } from "./status-table.ts";

const GOOD = { name: "one", kind: "single-hop", local: "fd00::1", remote: "fd00::2" };

const timersOf = (change: object) => sessionTimers(parseSession({ ...GOOD, ...change }));

const hexKey = (secret: string) => ({ auth: { type: "keyed-md5", keys: [{ id: 1, secret }] } });

describe("a session", () => {
  test("takes its intervals from the profile, and whatever overrides them", () => {
    expect(timersOf({})).toEqual({ desiredMinTxUs: 300_000, requiredMinRxUs: 300_000, detectMult: 3 });
    expect(timersOf({ profile: "fast", detectMult: 5 })).toEqual({
      desiredMinTxUs: 50_000,
      requiredMinRxUs: 50_000,
      detectMult: 5,
    });
    expect(timersOf({ intervalMs: 20, receiveIntervalMs: 12.5 })).toMatchObject({
      desiredMinTxUs: 20_000,
      requiredMinRxUs: 12_500,
    });
  });

  test("takes the registered ports unless told otherwise", () => {
    expect(sessionPorts(parseSession(GOOD), REGISTERED_PORTS)).toEqual({ localPort: 3784, remotePort: 3784 });
    expect(sessionPorts(parseSession({ ...GOOD, kind: "multihop", remotePort: 9 }), REGISTERED_PORTS)).toEqual({
      localPort: 4784,
      remotePort: 9,
    });
  });

  test("takes secrets as text and as hex", () => {
    const keys = [
      { id: 1, secret: "ab" },
      { id: 2, secret: "hex:6162" },
    ];
    const auth = sessionAuth(parseSession({ ...GOOD, auth: { type: "keyed-md5", keys } }));
    expect(auth?.keys.map(({ secret }) => Buffer.from(secret).toString())).toEqual(["ab", "ab"]);
  });

  const key = { id: 1, secret: "x".repeat(17) };
  test.each([
    ["an unknown key", { remot: "fd00::2" }, /remot/],
    ["no address", { local: "somewhere" }, /local/],
    ["a link-local address without interface", { local: "fe80::1" }, /interface/],
    ["a link-local end and a global one", { local: "fe80::1%eth0" }, /both be link-local/],
    ["two versions of IP", { remote: "192.0.2.1" }, /two IP versions/],
    ["no peer", { remote: undefined }, /remote: missing/],
    ["an echo with a peer", { kind: "echo" }, /leave remote out/],
    ["multihop over one link", { kind: "multihop", local: "fe80::1%a", remote: "fe80::2%a" }, /beyond one hop/],
    ["seamless without discriminator", { kind: "seamless" }, /remoteDiscriminator: missing/],
    ["a discriminator where it is learnt", { remoteDiscriminator: 5 }, /only for seamless/],
    ["a passive probe", { kind: "seamless", remoteDiscriminator: 5, passive: true }, /passive/],
    ["a secret too long for MD5", { auth: { type: "keyed-md5", keys: [key] } }, /17 bytes/],
    ["hex that is none", hexKey("hex:xy"), /not hex/],
    ["hex of an odd length", hexKey("hex:abc"), /not hex/],
    ["hex with a slip in its middle", hexKey("hex:0102zz0304"), /not hex/],
    ["hex of nothing", hexKey("hex:"), /0 bytes/],
    ["an interval that timers cannot keep", { intervalMs: 9 }, /at least 10 ms/],
    ["one direction that timers cannot keep", { receiveIntervalMs: 5 }, /at least 10 ms/],
    ["one key id twice", { auth: { type: "keyed-sha1", keys: [key, key] } }, /same id/],
    ["an interval of nothing", { intervalMs: 0 }, /intervalMs/],
    ["a multiplier beyond a byte", { detectMult: 256 }, /detectMult/],
  ])("with %s is refused and told why", (_name, change, reason) => {
    expect(() => parseSession({ ...GOOD, ...change })).toThrow(reason);
  });
});

describe("docs/bfd.md", () => {
  const text = readFileSync(new URL("../../docs/bfd.md", import.meta.url), "utf8");

  test("shows a configuration that is accepted", () => {
    const example = /```json\n([\s\S]*?)```/.exec(text)?.[1];
    const config = parseConfig(PROCESS_SCHEMA, JSON.parse(example!), "the example");
    expect(config.sessions.map((session) => parseSession(session).kind)).toEqual([
      "single-hop",
      "seamless",
      "multihop",
    ]);
  });

  test("names the cost of each profile as the program does", () => {
    for (const line of profileTable().split("\n")) {
      const [name] = line.split(" ");
      const cost = /[\d.]+ [GM]B/.exec(line)![0];
      expect(text).toMatch(new RegExp(`\\| \`${name}\`.*${cost}`));
    }
  });
});
