import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, expect, test } from "vitest";
import { LOG_CONTENT_TYPES, renderLoss } from "../log/log-line.ts";

const MAIN = new URL("../main.ts", import.meta.url).pathname;
const LINE = JSON.stringify({ offset: 4, lost: 2, why: "rolled-back" });
const LOSS_ITEM = renderLoss({ offset: 4, count: 2, lost: "rolled-back" }, 4, "cbor").bytes;

let directory: string;
let socket: string;
let server: Server;
let moved: unknown[];

/** A collector that goes away in the middle of its answer. */
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "paddock-log-"));
  socket = join(directory, "socket");
  moved = [];
  server = createServer((asked, answer) => {
    if (asked.method === "PUT") {
      asked.on("data", (body: Buffer) => moved.push(JSON.parse(body.toString("utf8"))));
      asked.on("end", () => answer.end("{}"));
      return;
    }
    if (asked.url!.includes("follow")) return void answer.writeHead(200).write(`${LINE}\n`);
    const whole = asked.headers.accept === LOG_CONTENT_TYPES.batches ? LOSS_ITEM : `${LINE}\n`;
    answer.writeHead(200).write(whole, () => setImmediate(() => answer.destroy()));
  });
  server.listen(socket);
  await once(server, "listening");
});

afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => void server.close(resolve));
  await rm(directory, { recursive: true, force: true });
});

test.each([["ndjson"], ["senml"], ["cbor"], ["ndjson", "--consumer", "lake"], ["senml", "--consumer", "lake"]])(
  "a replay as %s that is cut off does not pass for a whole one",
  async (format, ...more) => {
    const argv = [MAIN, "log", "--socket", socket, "--format", format, ...more];
    const ended = promisify(execFile)(process.execPath, argv);
    await expect(ended).rejects.toMatchObject({
      code: 2,
      stdout: `${LINE}\n`,
      stderr: expect.stringMatching(/STATUS_UNREACHABLE: .*cut off/u) as string,
    });
    // What was written out counts: a line of two lost records takes two offsets.
    expect(moved).toEqual(more.length === 0 ? [] : [{ offset: 6 }]);
  },
);

test.each(["SIGINT", "SIGTERM"] as const)(
  "a follower that gets %s has its place behind what it wrote",
  async (signal) => {
    const argv = [MAIN, "log", "--socket", socket, "--consumer", "lake", "--follow"];
    const child = spawn(process.execPath, argv, { stdio: ["ignore", "pipe", "inherit"] });
    await once(child.stdout, "data");
    child.kill(signal);
    expect(await once(child, "exit")).toEqual([0, null]);
    expect(moved).toEqual([{ offset: 6 }]);
  },
);
