import { expect, test } from "vitest";
import { VirtualClock } from "@paddock/base/clock.ts";
import { tellServiceManager, type ServiceEnvironment } from "./service-manager.ts";

/** Every message within 110 s, with the second in which it came; `fails` names the one that cannot be delivered. */
async function told(environment: ServiceEnvironment, fails?: number, endsAfterS = Infinity): Promise<string[]> {
  const clock = new VirtualClock();
  const messages: string[] = [];
  const end = tellServiceManager(
    environment,
    clock,
    (error) => messages.push(`failed: ${String(error)}`),
    (message) => {
      messages.push(`${clock.monotonicUs() / 1e6} ${message}`);
      return messages.length === fails ? Promise.reject(new Error("no room")) : Promise.resolve();
    },
  );
  for (let second = 0; second < 110; second++) {
    await new Promise((done) => setImmediate(done));
    if (second === endsAfterS) end();
    clock.advance(1000);
  }
  return messages;
}

test("without a service manager nothing is said", async () => {
  expect(await told({})).toEqual([]);
  expect(await told({ WATCHDOG_USEC: "60000000" })).toEqual([]);
});

test("without a watchdog only that it is ready", async () => {
  expect(await told({ NOTIFY_SOCKET: "/run/systemd/notify" })).toEqual(["0 READY=1"]);
});

test("with one, three signs of life within its time, also after one that did not arrive", async () => {
  const environment = { NOTIFY_SOCKET: "/run/systemd/notify", WATCHDOG_USEC: "60000000" };
  const signs = [20, 40, 60, 80, 100].map((second) => `${second} WATCHDOG=1`);
  expect(await told(environment)).toEqual(["0 READY=1", ...signs]);
  expect(await told(environment, undefined, 50)).toEqual(["0 READY=1", ...signs.slice(0, 2)]);
  expect(await told(environment, 2)).toEqual(["0 READY=1", signs[0], "failed: Error: no room", ...signs.slice(1)]);
});
