import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { afterEach, expect, test } from "vitest";
import { until } from "@paddock/base/testing/until.ts";
import { onJsonLines, writeJsonLine } from "./json-lines.ts";

const cleanUps: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).toReversed()) await cleanUp();
});

/** Both ends of a connection. */
async function pair(): Promise<{ near: Socket; far: Socket }> {
  const server: Server = createServer();
  cleanUps.push(() => server.close());
  server.listen(0, "::1");
  await once(server, "listening");
  const accepted = once(server, "connection") as Promise<[Socket]>;
  const near = connect((server.address() as { port: number }).port, "::1");
  const [far] = await accepted;
  for (const socket of [near, far]) {
    socket.on("error", () => {});
    cleanUps.push(() => socket.destroy());
  }
  return { near, far };
}

test("lines come out whole, however they are cut", async () => {
  const { near, far } = await pair();
  const heard: unknown[] = [];
  onJsonLines(far, 1000, (message) => heard.push(message));
  const bytes = Buffer.from(`{"a":"ä"}\n\n[1,2]\n{"b":2}\n`);
  for (const byte of bytes) {
    near.write(Buffer.of(byte));
    await new Promise((done) => setImmediate(done));
  }
  await until(() => expect(heard).toEqual([{ a: "ä" }, [1, 2], { b: 2 }]));
});

test.each([
  ["in one piece with its end", `"${"x".repeat(100)}"\n`],
  ["without an end", "x".repeat(101)],
])("a line that is too long ends the connection: %s", async (_name, text) => {
  const { near, far } = await pair();
  const heard: unknown[] = [];
  onJsonLines(far, 100, (message) => heard.push(message));
  near.write(text);
  await until(() => expect(far.destroyed).toBe(true));
  expect(heard).toEqual([]);
});

test("one answer may be longer than what may wait, and arrives", async () => {
  const { near, far } = await pair();
  const heard: string[] = [];
  onJsonLines(far, 64 * 1024 * 1024, (message) => heard.push(message as string));
  writeJsonLine(near, "x".repeat(6 * 1024 * 1024));
  await until(() => expect(heard[0]).toHaveLength(6 * 1024 * 1024));
});

test("a reader that stopped is cut off, before more waits for it than there may", async () => {
  const { near, far } = await pair();
  far.pause();
  const line = "x".repeat(64 * 1024);
  let lines = 0;
  while (!near.destroyed && lines < 1000) {
    writeJsonLine(near, line);
    lines++;
    await new Promise((done) => setImmediate(done));
  }
  expect(near.destroyed).toBe(true);
  expect(lines).toBeLessThan(1000);
});
