import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { gatewayStatus } from "../testing/status-fixture.ts";
import { askGateway } from "./status-client.ts";
import type { Answerers, Requests } from "./status-protocol.ts";
import { answer, StatusServer } from "./status-server.ts";

const never = () => Promise.reject(new Error("not asked for in this test"));
const answerers: Answerers = {
  status: async () => gatewayStatus(),
  buffer: never,
  sensors: never,
  metrics: async () => "# EOF\n",
  chain: never,
};

let directory: string;
let path: string;
let server: StatusServer;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "paddock-status-"));
  path = join(directory, "status.sock");
  server = await StatusServer.listen(path, answerers);
});
afterEach(async () => {
  await server.close();
  await rm(directory, { recursive: true, force: true });
});

test("answers over a socket that only its owner may open", async () => {
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  expect(await askGateway<"status">(path, { get: "status" })).toEqual(gatewayStatus());
  expect(await askGateway<"metrics">(path, { get: "metrics" })).toBe("# EOF\n");
});

test("a socket that is served is not taken over", async () => {
  await expect(StatusServer.listen(path, answerers)).rejects.toMatchObject({ code: "LISTEN_FAILED" });
  expect(await askGateway<"metrics">(path, { get: "metrics" })).toBe("# EOF\n");
});

test("a file that is no socket keeps its place and its content", async () => {
  const file = join(directory, "notes.txt");
  await writeFile(file, "precious");
  await expect(StatusServer.listen(file, answerers)).rejects.toMatchObject({ code: "LISTEN_FAILED" });
  expect(await readFile(file, "utf8")).toBe("precious");
});

test("closed, it takes its socket file away", async () => {
  await server.close();
  await expect(stat(path)).rejects.toMatchObject({ code: "ENOENT" });
  server = await StatusServer.listen(path, answerers);
});

test("an unknown request gets the nearest name, a failing one its message", async () => {
  expect(await answer('{"get":"statsu"}', answerers)).toMatchObject({
    ok: false,
    message: expect.stringContaining('"status"'),
  });
  expect(await answer("{", answerers)).toMatchObject({ ok: false, error: "REQUEST" });
  expect(await answer("null", answerers)).toMatchObject({ ok: false, error: "REQUEST" });
  expect(await answer('{"get":"chain"}', answerers)).toMatchObject({ ok: false, error: "INTERNAL" });
  const request = { get: "constructor" } as unknown as Requests["status"];
  await expect(askGateway<"status">(path, request)).rejects.toMatchObject({ code: "USAGE" });
});

test("without a running gateway the client says so", async () => {
  await expect(askGateway<"status">(join(directory, "none.sock"), { get: "status" })).rejects.toMatchObject({
    code: "STATUS_UNREACHABLE",
  });
});
