import { expect, test } from "vitest";
import { Sealer } from "@paddock/store/testing/sealer.ts";
import { badSignature } from "./verify-headers.ts";

const sealer = new Sealer();
const key = sealer.identity.publicKey;
const good = sealer.sealMany(40).map(({ header }) => header);

function spoiled(at: number): Uint8Array[] {
  return good.map((header, index) => {
    const bytes = Buffer.from(header);
    if (index === at) bytes[bytes.length - 1]! ^= 1;
    return bytes;
  });
}

test("headers by the gateway's key pass, in any number", async () => {
  for (const count of [0, 1, 2, 3, 40]) expect(await badSignature(good.slice(0, count), key)).toBeUndefined();
});

test("one bad signature anywhere is found, also while others verify", async () => {
  const at = good.map((_, index) => index);
  expect(await Promise.all(at.map((index) => badSignature(spoiled(index), key)))).toEqual(at);
});

test("behind the first bad one nothing is begun", async () => {
  for (const at of [0, 1, 10]) {
    let looked = -1;
    const headers = new Proxy(spoiled(at), {
      get(target, name) {
        if (/^\d+$/u.test(String(name))) looked = Math.max(looked, Number(name));
        return Reflect.get(target, name) as unknown;
      },
    });
    expect(await badSignature(headers, key)).toBe(at);
    // What is beside it in the pool may be under way.
    expect(looked).toBeLessThanOrEqual(at < 2 ? 1 : at + 3);
  }
});
