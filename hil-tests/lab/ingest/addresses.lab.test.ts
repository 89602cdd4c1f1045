/*
 * Sensors ask a gateway that listens on `::` and has several addresses: each answer leaves from the address that was
 * asked (RFC 7252 §5.3.2), for addresses and interfaces that come later too.
 *
 *     node --test hil-tests/lab/ingest/addresses.lab.test.ts
 */
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { Program } from "../failover/program.ts";
import { eventually, Lab, missingForLab, type Namespace } from "../namespaces.ts";

const ASK = fileURLToPath(import.meta.resolve("../peers/ask-coap.ts"));
const PORT = 5683;
/** POST /i, Content-Format 112, a SenML pack; the last byte is the value. */
const post = (messageId: number): string =>
  `4002${messageId.toString(16).padStart(4, "0")}b16911 70ff81a200617a0201`.replaceAll(" ", "");
/** NON GET /.well-known/core with a token. */
const GET_CORE = "5101 4242 01 bb 2e77656c6c2d6b6e6f776e 04 636f7265".replaceAll(" ", "");

let lab: Lab | undefined;
before(() => assert.deepEqual(missingForLab(["ip", "coap-client-notls"]), []));
afterEach(() => lab?.destroy());

interface Answer {
  readonly from: string;
  readonly code: number;
}

let messageId = 1;
function ask(sensors: Namespace, from: string, to: string): Answer[] {
  const request = { from, to, port: PORT, payload: post(messageId++), waitMs: 2000 };
  return JSON.parse(sensors.run(process.execPath, ASK, JSON.stringify(request))) as Answer[];
}

/** What the group answers on a link, within the leisure of RFC 7252 §8.2. */
function askGroup(sensors: Namespace, group: string, on: string): Answer[] {
  const request = { from: "::", to: `${group}%${on}`, port: PORT, payload: GET_CORE, waitMs: 6500, group: on };
  return JSON.parse(sensors.run(process.execPath, ASK, JSON.stringify(request))) as Answer[];
}

const CHANGED = 0x44;
const CONTENT = 0x45;

void test(
  "every address answers for itself: two in one /64, link-local, and those that come and go",
  { timeout: 120_000 },
  async () => {
    lab = new Lab();
    const [gateway, sensors] = [lab.namespace("gw"), lab.namespace("sn")];
    lab.wire(gateway, "l0", sensors, "s0");
    for (const address of ["2001:db8:2::1/64", "2001:db8:2::77/64", "fd00:5e::1/64"]) gateway.address("l0", address);
    for (const address of ["2001:db8:2::2/64", "2001:db8:2::78/64", "fd00:5e::2/64"]) sensors.address("s0", address);
    const linkLocal = await eventually("the link-local addresses are there", () => {
      sensors.linkLocalOf("s0");
      return gateway.linkLocalOf("l0");
    });
    const config = join(lab.directory, "gateway.json");
    const settings = {
      dataDir: join(lab.directory, "gateway"),
      store: { minFreeBytes: 0 },
      discovery: { enabled: false },
    };
    await writeFile(config, JSON.stringify(settings));
    const log = join(lab.directory, "gateway.log");
    const program = await Program.start(gateway, "gateway", ["run", "--config", config], log);

    const pairs = ["2001:db8:2::2", "2001:db8:2::78", "fd00:5e::2"].flatMap((from) =>
      ["2001:db8:2::1", "2001:db8:2::77", "fd00:5e::1"].map((to) => ({ from, to })),
    );
    for (const { from, to } of pairs) {
      assert.deepEqual(ask(sensors, from, to), [{ from: to, code: CHANGED }], `${from} asked ${to}`);
    }
    assert.deepEqual(ask(sensors, "::", `${linkLocal}%s0`), [{ from: linkLocal, code: CHANGED }]);

    // libcoap takes no answer from elsewhere: it would send again until it gives up.
    const frame = join(lab.directory, "frame.cbor");
    await writeFile(frame, Buffer.from("81a200617a0207", "hex"));
    for (const to of ["2001:db8:2::1", "2001:db8:2::77"]) {
      const said = sensors.run(
        "coap-client-notls",
        "-B",
        "10",
        "-m",
        "post",
        "-t",
        "112",
        "-v",
        "7",
        "-f",
        frame,
        `coap://[${to}]/i`,
      );
      assert.match(said, /2\.04/, to);
    }

    gateway.address("l0", "2001:db8:2::99/64");
    await eventually("an address that came later answers for itself", () => {
      const [answer] = ask(sensors, "2001:db8:2::2", "2001:db8:2::99");
      return answer?.from === "2001:db8:2::99";
    });
    gateway.run("ip", "-6", "addr", "del", "2001:db8:2::77/64", "dev", "l0");
    gateway.address("l0", "2001:db8:2::77/64");
    await eventually("one that went and came back, too", () => {
      const [answer] = ask(sensors, "2001:db8:2::2", "2001:db8:2::77");
      return answer?.from === "2001:db8:2::77";
    });
    assert.deepEqual(ask(sensors, "2001:db8:2::78", "2001:db8:2::1"), [{ from: "2001:db8:2::1", code: CHANGED }]);
    assert.equal(await program.end("SIGTERM"), 0);
  },
);

void test(
  "the groups are joined on links that come, go and come back, though nothing is announced",
  { timeout: 120_000 },
  async () => {
    lab = new Lab();
    const [gateway, sensors] = [lab.namespace("gw"), lab.namespace("sn")];
    const config = join(lab.directory, "gateway.json");
    const settings = {
      dataDir: join(lab.directory, "gateway"),
      store: { minFreeBytes: 0 },
      discovery: { enabled: false },
    };
    await writeFile(config, JSON.stringify(settings));
    const log = join(lab.directory, "gateway.log");
    const program = await Program.start(gateway, "gateway", ["run", "--config", config], log);
    for (const round of [1, 2]) {
      lab.wire(gateway, "l0", sensors, "s0");
      const linkLocal = await eventually("the link-local addresses are there", () => {
        sensors.linkLocalOf("s0");
        return gateway.linkLocalOf("l0");
      });
      for (const group of ["ff02::fd", "ff05::fd"]) {
        await eventually(
          `${group} answers in round ${round}`,
          () => {
            const answers = askGroup(sensors, group, "s0");
            assert.ok(answers.length <= 1, `${answers.length} answers`);
            return answers.some(({ from, code }) => from === linkLocal && code === CONTENT);
          },
          30_000,
        );
      }
      gateway.run("ip", "link", "del", "l0");
    }
    assert.ok(program.running);
    assert.equal(await program.end("SIGTERM"), 0);
  },
);
