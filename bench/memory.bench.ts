import { spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { senmlFrame } from "@paddock/gateway/testing/coap-sender.ts";
import { CODE_CHANGED, CODE_POST, TYPE_CON } from "@paddock/wire/coap-codes.ts";
import { encodeMessage, readMessage } from "@paddock/wire/coap-message.ts";
import { OPTION_CONTENT_FORMAT, OPTION_URI_PATH } from "@paddock/wire/coap-options.ts";
import { median, quantile, round, sleep } from "./load/numbers.ts";
import type { BenchOptions, Row } from "./load/result.ts";
import { bundleGateway, Rig } from "./load/rig.ts";

/** Resident memory of the bundle at 10,000 frames/s, forwarded; and how soon after its start it took a frame. */

const RATE = 10_000;
const STARTS = 7;
const FLAT_MINUTES = 10;
const ASK_EVERY_MS = 5;

export async function memory(options: BenchOptions): Promise<Row[]> {
  return [...(await startTimes(options)), ...(await residentMemory(options))];
}

async function residentMemory({ directory, minutes, progress }: BenchOptions): Promise<Row[]> {
  const rig = await Rig.start(directory);
  try {
    const seconds = minutes * 60;
    const load = rig.flood.send({ kind: "non", port: rig.coapPort, rate: RATE, seconds, first: 0 });
    const samples: number[] = [];
    const own: number[] = [];
    const begin = performance.now();
    const state = { ended: false };
    void load.finally(() => (state.ended = true)).catch(() => {});
    while (!state.ended) {
      await sleep(1000);
      const resident = await residentMb(rig.gateway.process.pid!);
      samples.push(resident.all);
      own.push(resident.own);
      if (samples.length % 30 === 0) {
        progress(`${Math.round((performance.now() - begin) / 1000)} s: ${samples.at(-1)!.toFixed(1)} MB`);
      }
    }
    const { sent } = await load;
    await rig.idle(10_000);
    const { lanes, ingest } = await rig.status();
    const acknowledged = lanes.reduce((sum, lane) => sum + lane.acknowledgedRecords, 0);
    // The first fifth is warm-up: caches fill, code is compiled.
    const settled = samples.slice(Math.floor(samples.length / 5));
    const tenth = Math.max(1, Math.floor(settled.length / 10));
    const begun = median(settled.slice(0, tenth));
    // A short run is all warm-up: only a long one can show that memory stays flat.
    const flat = minutes >= FLAT_MINUTES ? ({ is: "under", value: 1 } as const) : undefined;
    const end = median(settled.slice(-tenth));
    return [
      row("RSS, most", "MB", Math.max(...samples), { is: "under", value: 120 }),
      row("RSS, p50", "MB", quantile(samples, 0.5)),
      row("of that not shared with other Node processes", "MB", quantile(own, 0.5)),
      row("RSS after the first fifth", "MB", begun),
      row("RSS at the end", "MB", end),
      row("growth over that time", "MB/min", (end - begun) / (minutes * 0.8), flat),
      { what: `frames of ${sent} not in a receipt`, unit: "frames", value: sent - acknowledged },
      { what: "dropped by the kernel", unit: "frames", value: ingest.kernelDrops },
    ];
  } finally {
    await rig.stop();
  }
}

async function startTimes({ directory, quick, progress }: BenchOptions): Promise<Row[]> {
  const own = await mkdtemp(join(directory, "paddock-bench-"));
  try {
    const bundle = await bundleGateway(own);
    const port = await freePort();
    const config = join(own, "gateway.json");
    const samples: number[] = [];
    for (let start = 0; start < (quick ? 3 : STARTS) + 1; start++) {
      const dataDir = join(own, "data");
      await writeFile(config, JSON.stringify({ dataDir, listen: [{ address: "::1", port }] }));
      const ms = await timeToFirstFrame([bundle, "run", "--config", config], port);
      progress(`start ${start}: ${ms.toFixed(0)} ms${start === 0 ? " (the first: key and store are made)" : ""}`);
      samples.push(ms);
    }
    const restarts = samples.slice(1);
    return [
      {
        what: "start to first 2.04",
        unit: "ms",
        value: round(median(restarts)),
        rounds: restarts.map((ms) => round(ms)),
        target: { is: "under", value: 400 },
      },
      { what: "the very first start", unit: "ms", value: round(samples[0]!) },
    ];
  } finally {
    await rm(own, { recursive: true, force: true });
  }
}

/** From spawn to the 2.04 of the first frame, which is sent anew every 5 ms until it is answered. */
async function timeToFirstFrame(args: readonly string[], port: number): Promise<number> {
  const socket = createSocket("udp6");
  const begin = performance.now();
  const child = spawn(process.execPath, args, { stdio: "ignore" });
  try {
    return await new Promise<number>((resolve, reject) => {
      child.on("exit", (code) => reject(new Error(`the gateway ended with ${code}`)));
      socket.on("error", () => {}); // nobody listens yet
      socket.on("message", (bytes) => {
        const answer = readMessage(bytes);
        if (answer.ok && answer.value.code === CODE_CHANGED) resolve(performance.now() - begin);
      });
      const options = [
        { number: OPTION_URI_PATH, value: Buffer.from("i") },
        { number: OPTION_CONTENT_FORMAT, value: Uint8Array.of(112) },
      ];
      const token = Uint8Array.of(1);
      const payload = senmlFrame("urn:dev:ow:10e2073a01080063", Math.floor(begin));
      const message = encodeMessage({ type: TYPE_CON, code: CODE_POST, messageId: 1, token, options, payload });
      const timer = setInterval(() => socket.send(message, port, "::1"), ASK_EVERY_MS);
      socket.on("close", () => clearInterval(timer));
    });
  } finally {
    socket.close();
    child.removeAllListeners("exit");
    const exit = once(child, "exit");
    child.kill("SIGTERM");
    await exit;
  }
}

async function freePort(): Promise<number> {
  const socket = createSocket("udp6").bind(0, "::1");
  await once(socket, "listening");
  const { port } = socket.address();
  socket.close();
  await once(socket, "close");
  return port;
}

/** Resident set in MB (10^6 bytes): all of it, and what is not the program file and libraries. */
async function residentMb(pid: number): Promise<{ all: number; own: number }> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  const megabytes = (name: string) =>
    (Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "mu").exec(status)?.[1]) * 1024) / 1e6;
  return { all: megabytes("VmRSS"), own: megabytes("RssAnon") };
}

function row(what: string, unit: string, value: number, target?: Row["target"]): Row {
  return { what, unit, value: round(value, 1), ...(target === undefined ? {} : { target }) };
}
