import { mkdtemp, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { spawnSync } from "node:child_process";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { listenOnUnixSocket } from "./unix-socket.ts";

let directory: string;
let path: string;
const servers: Server[] = [];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "paddock-socket-"));
  path = join(directory, "a.sock");
});
afterEach(async () => {
  for (const server of servers.splice(0)) server.close();
  await rm(directory, { recursive: true, force: true });
});

function listen(mode = 0o600): Promise<void> {
  const server = createServer();
  servers.push(server);
  return listenOnUnixSocket(server, path, mode, "test socket");
}

test.each([0o600, 0o660])("the file has mode %o", async (mode) => {
  await listen(mode);
  expect((await stat(path)).mode & 0o777).toBe(mode);
});

test("a socket that a killed process left is replaced", async () => {
  const script = `require("node:net").createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, "SIGKILL"))`;
  spawnSync(process.execPath, ["-e", script]);
  expect((await stat(path)).isSocket()).toBe(true);
  await listen();
});

test("a socket that is served stays with whoever serves it", async () => {
  await listen();
  await expect(listen()).rejects.toMatchObject({
    code: "LISTEN_FAILED",
    message: expect.stringContaining("another process serves it"),
  });
});

test("a file that is no socket is refused by name and keeps its content", async () => {
  await writeFile(path, "precious");
  await expect(listen()).rejects.toMatchObject({ code: "LISTEN_FAILED", message: expect.stringContaining(path) });
  expect(await readFile(path, "utf8")).toBe("precious");
});

test("a link is no socket, wherever it leads", async () => {
  await symlink(join(directory, "elsewhere"), path);
  await expect(listen()).rejects.toThrow(/no socket/);
});

test("a path that cannot be used is told with its reason", async () => {
  path = join(directory, "missing", "a.sock");
  await expect(listen()).rejects.toMatchObject({ code: "LISTEN_FAILED" });
});
