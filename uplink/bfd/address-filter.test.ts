import { expect, test } from "vitest";
import { addressFilter, parsePrefix } from "./address-filter.ts";

test.each([
  ["2001:db8::/32", "2001:db8:ffff::1", true],
  ["2001:db8::/32", "2001:db9::1", false],
  ["2001:db8::1", "2001:db8::1", true],
  ["2001:db8::1", "2001:db8::2", false],
  ["2001:DB8:0::0/127", "2001:db8::1", true],
  ["fe80::/10", "fe80::1%eth0", true],
  ["192.0.2.0/24", "192.0.2.7", true],
  ["192.0.2.0/24", "2001:db8::1", false],
  ["::/0", "2001:db8::1", true],
  ["::/0", "no address", false],
])("%s and %s: %s", (entry, address, isAllowed) => {
  expect(addressFilter(["2001:db8:f00d::1", entry])(address)).toBe(isAllowed);
});

test("nothing allowed lets nobody in", () => {
  expect(addressFilter([])("::1")).toBe(false);
});

test.each(["2001:db8::/129", "192.0.2.0/33", "fe80::1%eth0", "example.org", "", "::/", "::/-1", "::/1/2", "/32"])(
  "%j is no prefix",
  (text) => {
    expect(parsePrefix(text)).toBeUndefined();
  },
);
