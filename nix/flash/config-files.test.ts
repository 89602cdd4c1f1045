import { generateKeyPairSync } from "node:crypto";
import { generateIdentity, identityToPem } from "@paddock/wire/identity.ts";
import { expect, test } from "vitest";
import { unitOf } from "./config-files.ts";

test("nothing wished, nothing there", () => {
  expect(unitOf({})).toEqual({ files: new Map(), id: undefined, claim: undefined, hostname: undefined });
});

test("each wish is its file, ended by a line feed", () => {
  const identity = generateIdentity();
  const unit = unitOf({
    gatewayJson: "\uFEFF{}",
    sensorsJson: '{"sensors":{}}\n',
    identity: identityToPem(identity),
    claim: "early bird",
    collectorKey: "ab".repeat(32),
    hostname: "barn-3",
    sshKeys: "ssh-ed25519 AAAA someone",
    network: new Map([["10-wan.network", "[Match]\nName=wan0\n"]]),
  });
  expect(unit.id).toBe(Buffer.from(identity.id).toString("hex"));
  expect(Object.fromEntries(unit.files)).toEqual({
    "gateway.json": "\uFEFF{}\n",
    "sensors.json": '{"sensors":{}}\n',
    "identity.pem": identityToPem(identity),
    "claim.txt": "early bird\n",
    "collector.pub": `${"ab".repeat(32)}\n`,
    hostname: "barn-3\n",
    authorized_keys: "ssh-ed25519 AAAA someone\n",
    "network/10-wan.network": "[Match]\nName=wan0\n",
  });
});

test("a key and a code drawn anew differ each time, and the code is easy to read out", () => {
  const units = [unitOf({ identity: "new", claim: "new" }), unitOf({ identity: "new", claim: "new" })];
  expect(units[0]!.id).toMatch(/^[0-9a-f]{64}$/u);
  expect(units[0]!.id).not.toBe(units[1]!.id);
  expect(units[0]!.claim).toMatch(/^([0-9A-HJKMNP-TV-Z]{4}-){3}[0-9A-HJKMNP-TV-Z]{4}$/u);
  expect(units[0]!.claim).not.toBe(units[1]!.claim);
});

test.each([
  [{ gatewayJson: "{" }, "--config: the file is not JSON"],
  [{ sensorsJson: "" }, "--sensors: the file is not JSON"],
  [{ identity: "secret-that-is-no-key" }, "--identity: the file is no Ed25519 private key"],
  [{ claim: "abc" }, "--claim (not shown): expected 4 to 128 characters"],
  [{ claim: "two\nlines" }, "--claim (not shown)"],
  [{ collectorKey: "AB".repeat(32) }, "expected 64 lower-case hex digits"],
  [{ hostname: "Barn_3" }, '--hostname "Barn_3": expected 1 to 63'],
  [{ network: new Map([["../etc.network", ""]]) }, '--network "../etc.network"'],
  [{ network: new Map([["wan.conf", ""]]) }, "--network"],
  [{ sshKeys: "x".repeat(5_000_000) }, "4194304 fit"],
])("%# is refused by name", (wishes, why) => {
  expect(() => unitOf(wishes)).toThrow(why);
});

test("a key of another kind is refused, without a word of it", () => {
  const pem = generateKeyPairSync("x25519").privateKey.export({ type: "pkcs8", format: "pem" }).toString();
  expect(() => unitOf({ identity: pem })).toThrow("--identity: the file is no Ed25519 private key in PEM (PKCS#8).");
});
