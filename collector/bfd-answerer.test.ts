import { expect, test, vi } from "vitest";
import { parseConfig } from "@paddock/base/config.ts";
import { silentLog } from "@paddock/base/log.ts";
import { until } from "@paddock/base/testing/until.ts";
import { Speaker } from "@paddock/uplink/bfd/speaker.ts";
import { CollectorConfigSchema } from "./config.ts";
import { TestCollector } from "./testing/test-collector.ts";

test("a configured collector answers seamless initiators, counts them, and says goodbye before it stops", async () => {
  const log = { ...silentLog, info: vi.fn<(event: string, fields?: object) => void>() };
  const more = { bfd: { seamless: { listen: [{ address: "::1", port: 0 }], discriminator: 900 } } };
  const collector = await TestCollector.start(more, { log });
  const speaker = new Speaker();
  try {
    const [listener] = collector.collector.bfd;
    expect(log.info.mock.calls.find(([event]) => event === "ready")![1]).toMatchObject({
      bfd: { seamless: [{ address: "::1", port: listener!.port }], passive: [] },
    });
    speaker.add({
      name: "collector",
      kind: "seamless",
      local: "::1",
      remote: "::1",
      remotePort: listener!.port,
      remoteDiscriminator: 900,
      intervalMs: 50,
      detectMult: 50,
    });
    const session = () => speaker.report().sessions[0]!;
    await until(() => expect(session().liveness).toBe("up"));
  } finally {
    await collector.end();
    await speaker.close(0);
  }
});

test("without configuration nothing listens; a wildcard address is refused", async () => {
  const collector = await TestCollector.start();
  try {
    expect(collector.collector.bfd).toEqual([]);
  } finally {
    await collector.end();
  }
  const seamless = { listen: [{ address: "::" }], discriminator: 1 };
  expect(() => parseConfig(CollectorConfigSchema, { dataDir: "/x", bfd: { seamless } }, "test")).toThrow(
    /one address of this machine/,
  );
});
