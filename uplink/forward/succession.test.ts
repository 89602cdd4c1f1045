import { expect, test } from "vitest";
import { VirtualClock } from "@paddock/base/clock.ts";
import { accept, refuse } from "@paddock/base/outcome.ts";
import { until } from "@paddock/base/testing/until.ts";
import { generateIdentity } from "@paddock/wire/identity.ts";
import { Forwarder } from "./forwarder.ts";
import type { CollectorLink, LinkFailure, LinkRefusal, OpenedLink } from "./ports.ts";
import { MemorySource } from "./testing/memory-source.ts";

/** A link whose uploads wait until `fail` ends all of them. */
class WaitingLink implements CollectorLink {
  readonly waiting: ((refusal: LinkRefusal) => void)[] = [];
  retire: (detail: string) => void = () => {};

  upload = () => new Promise<LinkRefusal>((resolve) => this.waiting.push(resolve));
  receipt = async () => refuse<LinkFailure>("refused", "not asked here");
  enrol = async () => refuse<LinkFailure>("refused", "not asked here");
  directive = async () => accept(undefined);
  bytesUsed = (): number => 0;
  onClosed(): void {}
  close(): void {}

  onRetiring(callback: (detail: string) => void): void {
    this.retire = callback;
  }

  fail(failure: LinkFailure): void {
    for (const resolve of this.waiting.splice(0)) resolve(refuse(failure, "it ended with its session"));
  }
}

/** A forwarder with one path, in a time that stands still; its second session opens when `openNext` is called. */
async function world() {
  const source = new MemorySource(generateIdentity());
  const clock = new VirtualClock();
  const links: WaitingLink[] = [];
  const next = Promise.withResolvers<void>();
  const forwarder = new Forwarder({
    source,
    clock,
    paths: [{ name: "fibre", endpoint: "https://[::1]:1", preference: 1 }],
    openLink: async () => {
      const link = new WaitingLink();
      if (links.push(link) > 1) await next.promise;
      return accept<OpenedLink>({ link, handshakeMs: 1 });
    },
  });
  forwarder.start();
  await until(() => forwarder.status().active === "fibre");
  return { source, clock, links, openNext: next.resolve, forwarder };
}

test("an alarm that is being read while its session ends leaves on the next one as soon as that is open", async () => {
  const { source, links, openNext, forwarder } = await world();
  const read = source.read.bind(source);
  const held = Promise.withResolvers<void>();
  let reads = 0;
  source.read = async (...asked) => {
    reads++;
    await held.promise;
    return read(...asked);
  };
  source.seal(0, [Buffer.alloc(10)]);
  await until(() => reads === 1);
  links[0]!.retire("GOAWAY");
  await until(() => links.length === 2);
  held.resolve();
  await new Promise((resolve) => setImmediate(resolve));
  openNext();
  await until(() => links[1]!.waiting.length === 1);
  expect(forwarder.status().paths[0]).toMatchObject({ flapPenalty: 0, standing: "healthy" });
});

test("all that an ended session did not answer goes out at once on the next one", async () => {
  const { source, clock, links, openNext } = await world();
  for (const lane of [0, 1, 2] as const) source.seal(lane, [Buffer.alloc(10)]);
  await until(() => links[0]!.waiting.length === 3);
  links[0]!.retire("GOAWAY");
  await until(() => links.length === 2);
  openNext();
  await new Promise((resolve) => setImmediate(resolve));
  clock.advance(10);
  links[0]!.fail("not-processed");
  await until(() => links[1]!.waiting.length === 3);
});
