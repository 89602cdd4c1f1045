import { expect, test } from "vitest";
import { SocketSet } from "./socket-set.ts";
import type { UdpSocket } from "./udp-socket.ts";

/** A set whose sockets are written down; `broken` wishes cannot be opened. */
function recorded() {
  const said: string[] = [];
  const broken = new Set<string>();
  const set = new SocketSet<string>({
    open: async (wish) => {
      await new Promise((resolve) => setImmediate(resolve));
      if (broken.has(wish)) throw new Error("no such address");
      said.push(`+${wish}`);
      return { close: async () => void said.push(`-${wish}`) } as UdpSocket;
    },
    failed: (wish, error, count) => void said.push(`!${wish} ${count} ${(error as Error).message}`),
  });
  const want = (...wishes: string[]): Promise<void> => set.update(new Map(wishes.map((wish) => [wish, wish])));
  return { said, broken, set, want };
}

test("opens what is new and closes what is gone; what stays is left alone", async () => {
  const { said, set, want } = recorded();
  await want("a", "b");
  await want("b", "c");
  expect(said).toEqual(["+a", "+b", "-a", "+c"]);
  expect(set.keys()).toEqual(["b", "c"]);
  await set.close();
  expect(said.slice(4)).toEqual(["-b", "-c"]);
});

test("what cannot be opened is told with its count and tried again; the others are opened all the same", async () => {
  const { said, broken, want } = recorded();
  broken.add("a");
  await want("a", "b");
  await want("a", "b");
  broken.clear();
  await want("a", "b");
  broken.add("c");
  await want("c");
  await want();
  await want("c");
  expect(said).toEqual([
    "!a 1 no such address",
    "+b",
    "!a 2 no such address",
    "+a",
    "-b",
    "-a",
    "!c 1 no such address",
    "!c 1 no such address",
  ]);
});

test("of updates that come while one is carried out the last one counts, and all resolve when it is done", async () => {
  const { set, want } = recorded();
  await Promise.all([want("a"), want("b"), want("c", "d"), want("d")]);
  expect(set.keys()).toEqual(["d"]);
  await Promise.all([want("e"), set.close()]);
  expect(set.keys()).toEqual([]);
});
