import { Socket } from "node:net";
import { expect, test } from "vitest";
import { ConnectionPool } from "./connection-pool.ts";

function connection(remotePort: number): Socket {
  const ends = { remoteAddress: "::1", remotePort, localAddress: "::1", localPort: 8443 };
  return Object.defineProperties(
    new Socket(),
    Object.fromEntries(Object.entries(ends).map(([name, value]) => [name, { value }])),
  );
}

test("the oldest stranger gives way, never who has proven a key, and at last the newcomer itself", () => {
  const pool = new ConnectionPool(2);
  const [gateway, first, second, third] = [connection(1), connection(2), connection(3), connection(4)] as const;
  expect(pool.add(gateway)).toBeUndefined();
  expect(pool.add(first)).toBeUndefined();
  pool.proved(connection(1));
  expect(pool.add(second)).toBe(first);
  pool.proved(second);
  expect(pool.add(third)).toBe(third);
  expect([pool.size, [...pool.sockets()]]).toEqual([2, [gateway, second]]);
});

test("a place is free when its connection ends, also when the next one has the same ends already", () => {
  const pool = new ConnectionPool(2);
  const [old, next] = [connection(1), connection(1)];
  pool.add(old);
  pool.add(next);
  old.emit("close");
  expect([...pool.sockets()]).toEqual([next]);
  pool.proved(next);
  next.emit("close");
  expect(pool.size).toBe(0);
  pool.proved(next);
  expect(pool.size).toBe(0);
});
