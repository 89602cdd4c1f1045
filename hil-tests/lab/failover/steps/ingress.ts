import assert from "node:assert/strict";
import { eventually } from "../../namespaces.ts";
import { happened } from "../happened.ts";
import { LIMIT_MS, type FaultStep } from "../world.ts";

/** nginx that ends TLS in front of the collector (`collector.ca`). */
export const INGRESS_STEPS: readonly FaultStep[] = [
  {
    words: "nginx ends TLS in front of the collector, speaks {http} and ends each session after {int} requests",
    does: "As docs/operations.md configures it; paths then lead to nginx, whose certificate `collector.ca` signs.",
    run: (world, http: "HTTP/2" | "HTTP/1.1", requestsPerSession: number) =>
      void (world.ingress = { http2: http === "HTTP/2", requestsPerSession }),
  },
  {
    words: "nginx {again}",
    does: "`nginx -s reload`, or SIGTERM and a new start: the second ends what is in flight.",
    faults: ["ingress-again"],
    run: async (world, again: "reload" | "restart") => {
      assert.ok(world.load?.running, "no sensor sends");
      const { target } = world;
      const before = await target.ingressPids();
      world.changedAtMs = Date.now();
      if (again === "reload") await target.reloadIngress();
      else await target.restartIngress();
      world.story.at(`nginx: ${again}`);
      await happened(`nginx has a new process: ${again}`, async () =>
        (await target.ingressPids()).some((pid) => !before.includes(pid)),
      );
    },
  },
  {
    words: "{int} session(s) end(s) in order",
    does: "Waits for that many GOAWAYs without an error, since nginx was told to, or since the sensors send.",
    run: async ({ target, changedAtMs, loadSinceMs }, count: number) => {
      const sinceMs = Math.max(changedAtMs, loadSinceMs);
      const ended = () => target.gatewayEvents("session-retiring").filter(({ atMs }) => atMs >= sinceMs);
      await eventually(`${count} sessions end in order`, () => ended().length >= count, LIMIT_MS);
    },
  },
  {
    words: "{int} more connections reach nginx",
    does: "Waits for that many that brought a request: HTTP/1.1 has no GOAWAY, so these tell that others have ended.",
    run: async ({ target }, count: number) => {
      const before = await target.ingressConnections();
      const reached = async () => (await target.ingressConnections()) >= before + count;
      await eventually(`${count} more connections reach nginx`, reached, LIMIT_MS);
    },
  },
  {
    words: "sessions were lost",
    does: "Waits for the first one that ended without a word, since the last change.",
    run: async (world) => {
      const lost = () => world.target.gatewayEvents("session-lost").some(({ atMs }) => atMs >= world.changedAtMs);
      await eventually("a session is lost", lost, LIMIT_MS);
    },
  },
  {
    words: "every session is open again",
    does: "Waits until every uplink is usable. The report says how long that took.",
    run: async (world) => {
      await world.everyUplinkUsable();
      world.story.figure("until every session was open again", `${Date.now() - world.changedAtMs} ms`);
    },
  },
  {
    words: "no uplink has a penalty",
    does: "None has been called failing, by the gateway's flap penalties.",
    run: async (world) => {
      const { uplinks } = await world.target.gatewayReport();
      const punished = uplinks.paths.filter(({ flapPenalty }) => flapPenalty > 0);
      assert.deepEqual(
        punished.map(({ name, flapPenalty }) => `${name}: ${flapPenalty}`),
        [],
      );
    },
  },
];
