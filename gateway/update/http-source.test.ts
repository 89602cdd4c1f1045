import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { applyRelease } from "./apply.ts";
import { checkRelease } from "./check.ts";
import { HttpSource } from "./http-source.ts";
import { readState } from "./state.ts";
import type { ReleaseFixture } from "./testing/release-fixture.ts";
import { byRange, ReleaseServer, type Answering } from "./testing/release-server.ts";
import { applyOptions, makeDevice, nextRelease, type TestDevice } from "./testing/test-device.ts";

let server: ReleaseServer | undefined;
afterEach(() => server?.close());

const CONTENT = Buffer.from("0123456789abcdef");

async function sourceBehind(answer: Answering, silenceMs = 60_000): Promise<HttpSource> {
  server = await ReleaseServer.start({ file: CONTENT }, answer);
  return new HttpSource(new URL("file", server.url), { retryAfterMs: [1, 1], silenceMs });
}

describe("a resource behind HTTP", () => {
  test("is read in parts", async () => {
    const source = await sourceBehind(byRange);
    expect(Buffer.from(await source.read(3, 4)).toString()).toBe("3456");
    expect(await source.size()).toBe(16);
    expect(Buffer.from(await source.readAll(16)).toString()).toBe(CONTENT.toString());
    await source.close();
  });

  test("is asked for again when the server stumbles", async () => {
    let asked = 0;
    const source = await sourceBehind((request, response, content) => {
      asked++;
      if (asked === 1) response.writeHead(503).end();
      else if (asked === 2) request.socket.destroy();
      else byRange(request, response, content);
    });
    expect(Buffer.from(await source.read(0, 2)).toString()).toBe("01");
    expect(asked).toBe(3);
    await source.close();
  });

  /** Answers that are none, what is said of them, and how often they are asked for. */
  const lies: [string, Answering, RegExp, number][] = [
    [
      "points elsewhere",
      (_request, response) => response.writeHead(302, { location: "http://[::1]:1/x" }).end(),
      /points to "http:/,
      1,
    ],
    ["has nothing there", (_request, response) => response.writeHead(404).end(), /answers 404/, 1],
    [
      "sends all of it",
      (_request, response) => response.writeHead(200, { "content-length": 16 }).end(CONTENT),
      /all of it/,
      1,
    ],
    ["does not say what it sends", (_request, response) => response.writeHead(206).end("3456"), /does not say/, 1],
    [
      "sends another part",
      (_request, response) => response.writeHead(206, { "content-range": "bytes 4-7/16" }).end("4567"),
      /sends 4-7 of 16/,
      1,
    ],
    [
      "sends less than it says",
      (_request, response) =>
        response.writeHead(206, { "content-range": "bytes 3-6/16", "content-length": 2 }).end("34"),
      /ended after 2 of 4/,
      3,
    ],
    [
      "never ends",
      (_request, response) => {
        response.writeHead(206, { "content-range": "bytes 3-6/16" });
        const more = (): void => void (response.destroyed || response.write(Buffer.alloc(65_536), more));
        more();
      },
      /more than the 4 bytes/,
      1,
    ],
    [
      "packs it",
      (_request, response) =>
        response.writeHead(206, { "content-encoding": "gzip", "content-range": "bytes 3-6/16" }).end("x"),
      /encoded as gzip/,
      1,
    ],
  ];
  test.each(lies)("whose server %s is given up", async (_what, answer, words, requests) => {
    const source = await sourceBehind(answer);
    const reading = source.read(3, 4);
    await expect(reading).rejects.toMatchObject({ code: "UPDATE_SOURCE" });
    await expect(reading).rejects.toThrow(words);
    expect(server!.requests).toBe(requests);
    await source.close();
  });

  test("whose server says nothing is given up", async () => {
    const source = await sourceBehind(() => {}, 200);
    await expect(source.read(3, 4)).rejects.toThrow(/silent for 0.2 s|no 4 bytes/);
    expect(server!.requests).toBe(3);
    await source.close();
  });

  test("that is longer than it may be is not taken", async () => {
    const source = await sourceBehind(byRange);
    await expect(source.readAll(15)).rejects.toThrow(/has 16 bytes, and may have 15/);
    await source.close();
  });

  test("that grows between two parts is given up", async () => {
    let asked = 0;
    const source = await sourceBehind((request, response, content) =>
      byRange(request, response, asked++ === 0 ? content : Buffer.alloc(20)),
    );
    await source.read(0, 1);
    await expect(source.read(1, 1)).rejects.toThrow(/length changed/);
    await source.close();
  });
});

describe("an update over HTTP", () => {
  let device: TestDevice;
  let next: ReleaseFixture;
  beforeEach(async () => {
    device = await makeDevice();
    next = await nextRelease(device);
  });
  afterEach(() => device.remove());

  const filesOf = (arch: string): Record<string, Buffer> => ({
    [`latest_${arch}.manifest`]: next.encoded,
    [`paddock_1.1.0_${arch}.manifest`]: next.encoded,
    [`paddock_1.1.0_${arch}.update`]: next.update,
  });

  test("takes the newest of a folder, and only what is not here", async () => {
    server = await ReleaseServer.start(filesOf(next.manifest.arch));
    const options = applyOptions(device, { url: server.url });
    const checked = await checkRelease(options);
    expect(checked).toMatchObject({ version: "1.1.0", isNewer: true, isInstalled: false, objection: null });
    const before = server.sentBytes;
    const { fetchedBytes } = await applyRelease(options);
    expect(fetchedBytes).toBe(checked.fetchBytes);
    const around = server.sentBytes - before - fetchedBytes;
    expect(around).toBeLessThan(2 * next.encoded.length + 100);
    expect(fetchedBytes).toBeLessThan(next.update.length / 2);
  });

  test("takes one by its version, or by its own address", async () => {
    server = await ReleaseServer.start(filesOf(next.manifest.arch));
    await applyRelease(applyOptions(device, { url: server.url, version: "1.1.0" }));
    const url = `${server.url}paddock_1.1.0_${next.manifest.arch}.update`;
    expect(await applyRelease(applyOptions(device, { url }))).toMatchObject({ outcome: "installed", fetchedBytes: 0 });
    await expect(applyRelease(applyOptions(device, { url, version: "1.2.0" }))).rejects.toThrow(
      /1\.2\.0 was asked for/,
    );
    await expect(applyRelease(applyOptions(device, { url: "ftp://x/" }))).rejects.toMatchObject({ code: "USAGE" });
  });

  test("goes on where it was when the server went away", async () => {
    const files = filesOf(next.manifest.arch);
    let left = 5;
    server = await ReleaseServer.start(files, (request, response, content) => {
      if (left-- > 0) byRange(request, response, content);
      else request.socket.destroy();
    });
    await expect(applyRelease(applyOptions(device, { url: server.url }))).rejects.toMatchObject({
      code: "UPDATE_SOURCE",
    });
    expect((await readState(device.paths.stateDir)).pending).toBeNull();
    await server.close();
    server = await ReleaseServer.start(files);
    expect(await applyRelease(applyOptions(device, { url: server.url }))).toMatchObject({ outcome: "installed" });
  });
});
