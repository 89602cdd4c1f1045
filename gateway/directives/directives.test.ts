import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { runInProcess } from "@paddock/base/testing/in-process.ts";
import { gatewayCommand } from "../cli/gateway-command.ts";
import { change, DirectedGateway, LONG_S } from "./testing/directed-gateway.ts";

/** What goes wrong is in directives.trial.test.ts. */

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
});

test("with a damaged state a gateway runs with its own document and keeps the damaged one", async () => {
  await gateway.start({ trialS: LONG_S });
  await gateway.kill("SIGTERM");
  await writeFile(join(gateway.dataDir, "directives.json"), '{"newest": 5');
  const log = await gateway.run();
  expect(log()).toContain('"event":"directives-damaged"');
  expect(await readFile(join(gateway.dataDir, "directives.json.damaged"), "utf8")).toBe('{"newest": 5');
});
