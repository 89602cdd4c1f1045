import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { VirtualClock } from "@paddock/base/clock.ts";
import { seededRandom } from "@paddock/base/random.ts";
import { until } from "@paddock/base/testing/until.ts";
import { Sealer } from "@paddock/store/testing/sealer.ts";
import { encodeItems } from "../log/log-items.ts";
import { Feed, FeedClosed, PlaceDrift } from "./feed.ts";

const LOG = "5".repeat(32);

let directory: string;
let server: Server;
let socket: string;
let clock: VirtualClock;
let feed: Feed;
/** The queries of the requests, and what is done with each of them. */
let asked: URLSearchParams[];
let answers: ((response: ServerResponse, request: IncomingMessage) => void)[];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "paddock-feed-"));
  socket = join(directory, "operator.sock");
  clock = new VirtualClock();
  asked = [];
  answers = [];
  server = createServer((request, response) => {
    asked.push(new URL(request.url!, "http://operator").searchParams);
    response.on("error", () => {});
    const answer = answers.shift();
    if (answer === undefined) response.writeHead(503).end();
    else answer(response, request);
  });
  server.listen(socket);
  await once(server, "listening");
});

afterEach(async () => {
  feed.close();
  server.closeAllConnections();
  await new Promise((resolve) => void server.close(resolve));
  await rm(directory, { recursive: true, force: true });
});

/** Items of a log, each a batch of one record. */
function someItems(count: number, frameBytes = 16): Buffer[] {
  const sealer = new Sealer();
  return sealer
    .sealMany(count, frameBytes)
    .map((batch, offset) =>
      encodeItems([{ ...batch, offset, count: 1, received: 7, chain: sealer.chain }], () => Buffer.alloc(0)),
    );
}

function open(offset = 0): Feed {
  feed = new Feed({ socket, clock, random: seededRandom(1) }, { offset, updated: 3 });
  return feed;
}

const give =
  (...pieces: readonly Buffer[]) =>
  (response: ServerResponse) => {
    response.writeHead(200, { "paddock-log": LOG });
    response.write(Buffer.concat(pieces));
  };

test("a connection that is lost within an item is made again, and no offset is passed over or given twice", async () => {
  const items = someItems(5);
  answers.push(
    (response) => {
      response.writeHead(200, { "paddock-log": LOG });
      response.write(Buffer.concat([items[0]!, items[1]!, items[2]!.subarray(0, 50)]), () => response.destroy());
    },
    give(items[2]!, items[3]!),
  );
  open();
  const seen: number[] = [];
  for (let item = 0; item < 4; item++) {
    const next = feed.next();
    // Lets its wait pass, if it waits.
    let isThere = false;
    void next.then(() => (isThere = true));
    await until(() => {
      clock.advance(1000);
      expect(isThere).toBe(true);
    });
    seen.push((await next).offset);
  }
  expect(seen).toEqual([0, 1, 2, 3]);
  expect(asked.map((query) => query.get("from"))).toEqual(["0", "2"]);
  // It says by which it knows the place again.
  expect(asked[1]!.get("log")).toBe(LOG);
  expect(asked[1]!.get("behind")).toMatch(/^[0-9a-f]{32}$/u);
  expect(feed.place).toMatchObject({ offset: 4, log: LOG });
});

test("a place of another log is told to whoever reads, with the collector's words", async () => {
  answers.push((response) => response.writeHead(416).end(JSON.stringify({ message: "The place is of another log." })));
  await expect(open(9).next()).rejects.toThrow(new PlaceDrift("The place is of another log."));
});

test("what is refused or does not fit is asked for again, longer and longer apart, and said", async () => {
  const items = someItems(3);
  const broken = Buffer.from(items[0]!);
  broken[broken.length - 15]! ^= 1;
  // Busy, a changed payload, a gap, and at last what comes next.
  answers.push((response) => response.writeHead(503).end('{"message":"64 readers"}'), give(broken), give(items[1]!));
  const next = open().next();
  await until(() => expect(feed.trouble).toBe("64 readers"));
  expect(asked).toHaveLength(1);
  clock.advance(49);
  expect(asked).toHaveLength(1);
  clock.advance(51);
  await until(() => expect(feed.trouble).toMatch(/does not|no map|does not fit/u));
  clock.advance(200);
  await until(() => expect(feed.trouble).toMatch(/offset 1 of the log, and 0 comes next/u));
  answers.push(give(items[0]!));
  clock.advance(400);
  expect((await next).offset).toBe(0);
  expect(feed.trouble).toBe(undefined);
});

test("who does not read makes the collector stop to send, and a close ends every wait", async () => {
  const items = someItems(60, 200_000);
  let isFull = false;
  answers.push((response) => {
    response.writeHead(200, { "paddock-log": LOG });
    const send = (): void => {
      for (let item = items.shift(); item !== undefined; item = items.shift()) {
        if (response.write(item)) continue;
        isFull = true;
        response.once("drain", send);
        return;
      }
    };
    send();
  });
  await open().next();
  // The kernel's buffers are full when nothing more goes for some turns of the event loop.
  let left = -1;
  for (let still = 0; still < 50; still = left === items.length ? still + 1 : 0) {
    left = items.length;
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  expect(isFull).toBe(true);
  expect(left).toBeGreaterThan(30);
  feed.close();
  await expect(feed.next()).rejects.toThrow(FeedClosed);

  const waiting = open(0).next();
  await until(() => expect(feed.trouble).toBe("The collector answers 503."));
  feed.close();
  await expect(waiting).rejects.toThrow(FeedClosed);
});
