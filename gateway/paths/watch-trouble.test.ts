import { expect, test } from "vitest";
import { watchedSessions, type WatchedPath, type WatchedSession } from "./bfd-config.ts";
import { watchTrouble } from "./watch-trouble.ts";

const seamless = { mode: "seamless", profile: "steady", discriminator: 7 } as const;
const PATH: WatchedPath = {
  name: "lte",
  source: "2001:db8::2",
  interface: null,
  nextHop: null,
  endpoint: "https://[2001:db8::1]:8443",
  bfd: { endToEnd: seamless, firstHop: null },
};
const session = (mode: WatchedSession["config"]["mode"]): WatchedSession => {
  const [first] = watchedSessions(PATH);
  return { ...first!, config: Object.assign({}, first!.config, { mode }) };
};
const facts = {
  session: session("seamless"),
  local: "2001:db8::2",
  askedSinceMs: 1000,
  wasUp: false,
  report: undefined,
};

test("a session that was never up for a minute is a trouble, with the place to look at", () => {
  expect(watchTrouble([facts], 60_999)).toBeUndefined();
  expect(watchTrouble([facts], 61_000)).toMatchObject({ why: "BFD end to end was never up", forMs: 60_000 });
  expect(watchTrouble([facts], 61_000)!.remedy).toContain("bfd.endToEnd.discriminator");
  expect(watchTrouble([facts], 61_000)!.remedy).toContain("UDP port 7784");
});

test.each([
  ["multihop", "4784"],
  ["single-hop", "3784"],
  ["echo", "3785"],
] as const)("%s: UDP port %s", (mode, port) => {
  expect(watchTrouble([{ ...facts, session: session(mode) }], 100_000)!.remedy).toContain(port);
});

test("one that was up is none, whatever it is now; and the other session of the path counts as well", () => {
  const wasUp = { ...facts, wasUp: true };
  expect(watchTrouble([wasUp], 1e9)).toBeUndefined();
  expect(watchTrouble([wasUp, { ...facts, local: undefined }], 1e9)).toMatchObject({
    why: "BFD end to end has no address to send from",
  });
  expect(watchTrouble([], 1e9)).toBeUndefined();
});

test("packets that come from another address are named, for they are the answer", () => {
  const report = { strangerAddress: "fe80::2", remote: "fe80::1" };
  expect(watchTrouble([{ ...facts, report: { ...report, strangerAddress: null } }], 61_000)!.remedy).toContain("7784");
  expect(watchTrouble([{ ...facts, report }], 61_000)!.remedy).toContain("from fe80::2, not from fe80::1");
});
