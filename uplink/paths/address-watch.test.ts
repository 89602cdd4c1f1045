import { expect, test, vi } from "vitest";
import { VirtualClock } from "@paddock/base/clock.ts";
import { silentLog } from "@paddock/base/log.ts";
import { until } from "@paddock/base/testing/until.ts";
import { AddressWatch } from "./address-watch.ts";
import type { IpProcess } from "./ip-process.ts";
import type { LocalAddress } from "./source-address.ts";

class FakeIp implements IpProcess {
  killed = false;
  output: (text: string) => void = () => {};
  exit: (problem: string | undefined) => void = () => {};
  onOutput(listener: (text: string) => void): void {
    this.output = listener;
  }
  onExit(listener: (problem: string | undefined) => void): void {
    this.exit = listener;
  }
  kill(): void {
    this.killed = true;
  }
}

function watching() {
  const clock = new VirtualClock();
  const monitors: FakeIp[] = [];
  const readers: FakeIp[] = [];
  const seen: string[][] = [];
  const log = { ...silentLog, warn: vi.fn<(event: string) => void>() };
  const watch = new AddressWatch({
    clock,
    log,
    onAddresses: (addresses) => void seen.push(addresses.map(({ address }) => address)),
    fallback: () => [{ address: "fd00::f" } as LocalAddress],
    startIp(args) {
      const ip = new FakeIp();
      (args.includes("monitor") ? monitors : readers).push(ip);
      return ip;
    },
  });
  watch.start();
  const answer = (...addresses: string[]) => {
    const infos = addresses.map((local) => ({ family: "inet6", local, scope: "global" }));
    const text = JSON.stringify([{ ifname: "wan0", addr_info: infos }]);
    readers.at(-1)!.output(text.slice(0, 9));
    readers.at(-1)!.output(text.slice(9));
    readers.at(-1)!.exit(undefined);
  };
  return { clock, monitors, readers, seen, log, watch, answer };
}

test("reads at the start, again once the monitor listens, and soon after each burst of messages", () => {
  const { clock, monitors, readers, seen, answer } = watching();
  answer("2001:db8:a::5");
  clock.advance(1000);
  answer("2001:db8:a::5");
  monitors[0]!.output("1: wan0");
  monitors[0]!.output("Deleted 1: wan0");
  clock.advance(20);
  answer("2001:db8:b::5");
  expect(readers.length).toBe(3);
  expect(seen).toEqual([["2001:db8:a::5"], ["2001:db8:a::5"], ["2001:db8:b::5"]]);
  clock.advance(30_000);
  expect(readers.length).toBe(4);
});

test("a message during a reading makes it read again", () => {
  const { clock, monitors, readers, seen, answer } = watching();
  monitors[0]!.output("1: wan0");
  clock.advance(20);
  expect(readers.length).toBe(1);
  answer("2001:db8:a::5");
  clock.advance(0);
  answer("2001:db8:b::5");
  expect(seen).toEqual([["2001:db8:a::5"], ["2001:db8:b::5"]]);
});

test("a monitor that dies is started again, ever more rarely, and reading goes on meanwhile", () => {
  const { clock, monitors, readers, log, answer } = watching();
  answer();
  clock.advance(1000);
  answer();
  monitors[0]!.exit("exit 1");
  clock.advance(999);
  expect(monitors.length).toBe(1);
  clock.advance(1);
  expect(monitors.length).toBe(2);
  monitors[1]!.exit("exit 1");
  clock.advance(1999);
  expect(monitors.length).toBe(2);
  clock.advance(1);
  expect(monitors.length).toBe(3);
  expect(readers.length).toBe(3);
  expect(log.warn.mock.calls.map(([event]) => event)).toEqual(["address-watch-ended", "address-watch-ended"]);
});

test("without ip it says so once and asks the runtime every five seconds", () => {
  const { clock, monitors, readers, seen, log } = watching();
  monitors[0]!.exit("spawn ip ENOENT");
  readers[0]!.exit("spawn ip ENOENT");
  clock.advance(1000);
  monitors[1]!.exit("spawn ip ENOENT");
  readers.at(-1)!.exit("spawn ip ENOENT");
  expect(seen).toEqual([["fd00::f"], ["fd00::f"]]);
  expect(log.warn.mock.calls.filter(([event]) => event === "address-watch-degraded").length).toBe(1);
});

test("output that is not JSON is as good as none, and a reader that hangs is killed", () => {
  const { clock, readers, seen } = watching();
  readers[0]!.output("Usage: ip");
  readers[0]!.exit(undefined);
  expect(seen).toEqual([["fd00::f"]]);
  clock.advance(1000);
  clock.advance(5000);
  expect(readers.at(-1)!.killed).toBe(true);
});

test("stopped, it ends its processes and tells nothing more", () => {
  const { clock, monitors, readers, seen, watch, answer } = watching();
  watch.stop();
  expect([monitors[0]!.killed, readers[0]!.killed]).toEqual([true, true]);
  answer("2001:db8:a::5");
  monitors[0]!.exit("exit SIGKILL");
  clock.advance(100_000);
  expect([seen, monitors.length, readers.length]).toEqual([[], 1, 1]);
});

test("this machine's own addresses hold the loopback's", async () => {
  const seen: LocalAddress[] = [];
  const watch = new AddressWatch({ onAddresses: (addresses) => void seen.push(...addresses) });
  watch.start();
  try {
    await until(() => expect(seen).toContainEqual(expect.objectContaining({ address: "::1", scope: "host" })));
  } finally {
    watch.stop();
  }
});
