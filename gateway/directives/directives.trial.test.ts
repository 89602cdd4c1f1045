import { createSocket } from "node:dgram";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { runInProcess } from "@paddock/base/testing/in-process.ts";
import type { DirectiveBody } from "@paddock/wire/directive.ts";
import { gatewayCommand } from "../cli/gateway-command.ts";
import { change, DirectedGateway, LONG_S } from "./testing/directed-gateway.ts";

/** So short that nobody waits for the end of a trial. */
const SHORT_S = 1;

let gateway: DirectedGateway;
beforeEach(async () => {
  gateway = await DirectedGateway.make();
});
afterEach(() => gateway.end());

describe("a change of the configuration that the collector asks for", () => {
  test("is used, confirmed by a receipt, kept over kill -9, and taken back at the gateway", async () => {
    const log = await gateway.start({ trialS: LONG_S });
    const id = await gateway.ask(change(1, { plainListen: [{ address: "::1", port: 0 }] }));
    await expect.poll(() => gateway.outcome(id)).toBe("applied");
    expect(await gateway.state()).toMatchObject({ confirmed: { revision: 1 }, trial: null });
    expect(log()).toContain('"restart":"trial of revision 1"');
    // What it said of the trial is in the chain, and has arrived.
    expect(gateway.collector.heldOf(await gateway.id(), 0).length).toBeGreaterThan(0);

    await gateway.kill("SIGKILL");
    gateway.collector.directive = undefined;
    const second = await gateway.run();
    expect(second()).toContain('"kind":"plain"');

    await gateway.kill("SIGTERM");
    const { stdout } = await runInProcess(gatewayCommand, ["directives", "--reset", "--config", gateway.configFile]);
    expect(stdout).toContain('lies revision 1:\n{"plainListen"');
    const third = await gateway.run();
    expect(third()).not.toContain('"kind":"plain"');
    expect((await gateway.state())?.confirmed).toBeNull();
  });

  test("that cuts the gateway off is taken back by itself, and that is told", async () => {
    const log = await gateway.start({ trialS: SHORT_S });
    const id = await gateway.ask(change(1, { paths: [{ name: "fibre", endpoint: "https://[::1]:9" }] }));
    await expect.poll(() => gateway.outcome(id)).toBe("reverted");
    expect(await gateway.state()).toMatchObject({ confirmed: null, trial: null });
    expect(log()).toContain("no receipt came within");
    expect(log()).toContain('"restart":"the trial is over"');
  });

  test("under which the gateway does not start is taken back at once", async () => {
    await gateway.start({ trialS: LONG_S });
    const taken = createSocket("udp6").bind(0, "::1");
    await once(taken, "listening");
    const id = await gateway.ask(change(1, { listen: [{ address: "::1", port: taken.address().port }] }));
    await expect.poll(() => gateway.outcome(id)).toBe("reverted");
    taken.close();
    expect((await gateway.state())!.answers.at(-1)).toMatchObject({
      reason: expect.stringMatching(/^it does not start: /) as string,
    });
  });

  test("is gone when the gateway dies during the trial", async () => {
    await gateway.start({ trialS: LONG_S });
    const id = await gateway.ask(change(1, { paths: [{ name: "fibre", endpoint: "https://[::1]:9" }] }));
    await expect.poll(async () => (await gateway.state())?.trial).toMatchObject({ revision: 1 });
    await gateway.kill("SIGKILL");
    await gateway.run();
    await expect.poll(() => gateway.outcome(id)).toBe("reverted");
    expect(await gateway.state()).toMatchObject({ confirmed: null, trial: null });
  });

  test("is refused and told where it may not be, and nothing of a secret is said", async () => {
    const log = await gateway.start({ trialS: LONG_S });
    const refusals: [DirectiveBody, RegExp, { gateway?: Uint8Array; notAfter?: number }?][] = [
      [
        change(1, { dataDir: "/elsewhere", collector: { publicKey: "00" } }),
        /^dataDir, collector\.publicKey: no directive/,
      ],
      [change(2, { log: { level: "loud" } }), /log\.level/],
      [change(3, [1]), /no JSON object/],
      [change(4, {}), /meant for gateway 0909/, { gateway: Buffer.alloc(32, 9) }],
      [change(5, {}), /at the latest/, { notAfter: 1 }],
      [{ kind: "unknown", number: 9 }, /kind 9/],
      [
        { kind: "release", url: "https://[::1]/", version: "1.2.3", manifestSha256: Buffer.alloc(32) },
        /^unsupported: .*image/,
      ],
      [
        change(6, { collector: { claim: "sesame-open" }, log: { level: { secret: "sesame-open" } } }),
        /collector\.claim/,
      ],
    ];
    for (const [body, reason, more] of refusals) {
      const id = await gateway.ask(body, more);
      await expect.poll(() => gateway.outcome(id)).toBe("refused");
      expect((await gateway.state())!.answers.find((each) => each.id === id)!.reason).toMatch(reason);
    }
    const forged = gateway.collector.directive!;
    forged[forged.length - 1] = forged.at(-1)! ^ 1;
    const before = await gateway.state();
    await expect.poll(() => log()).toContain("directive-unsigned");
    expect(await gateway.state()).toEqual(before);
    expect(log()).not.toContain('"restart"');
    expect(log() + JSON.stringify(before)).not.toContain("sesame-open");
  });

  test("is not even looked at where the gateway takes none", async () => {
    await gateway.start({ take: [], trialS: LONG_S });
    await gateway.ask(change(1, { log: { level: "debug" } }));
    const asked = gateway.collector.directivesAsked;
    await expect.poll(() => gateway.collector.directivesAsked).toBeGreaterThan(asked + 1);
    expect(await gateway.state()).toBeUndefined();
  });
});

test("with a damaged state a gateway runs with its own document and keeps the damaged one", async () => {
  await gateway.start({ trialS: LONG_S });
  await gateway.kill("SIGTERM");
  await writeFile(join(gateway.dataDir, "directives.json"), '{"newest": 5');
  const log = await gateway.run();
  expect(log()).toContain('"event":"directives-damaged"');
  expect(await readFile(join(gateway.dataDir, "directives.json.damaged"), "utf8")).toBe('{"newest": 5');
});
