import { expect, test } from "vitest";
import { parseGatewayConfig } from "../config.ts";

test.each([
  [{ endToEnd: { mode: "seamless" } }, /paths\[0\]\.bfd\.endToEnd.*remoteDiscriminator/s],
  [{ endToEnd: { mode: "multihop", remote: "nowhere" } }, /write an IPv6/],
  [{ endToEnd: { mode: "echo" } }, /bfd\.endToEnd\.mode/],
  [{ firstHop: { mode: "echo" } }, /paths\[0\]\.bfd\.firstHop.*an echo is addressed to it/s],
  [{ firstHop: { mode: "echo", local: "fd00::1", remote: "fd00::2" } }, /expected neither remote nor remotePort/],
  [{ firstHop: { mode: "single-hop" } }, /expected remote, or a nextHop of the path/],
])("the configuration refuses %o", (bfd, message) => {
  const paths = [{ name: "fibre", endpoint: "https://[::1]:9", bfd }];
  expect(() => parseGatewayConfig({ dataDir: "/x", collector: { publicKey: "ab".repeat(32) }, paths })).toThrow(
    message,
  );
});

test("an endpoint with a name needs the address to watch", () => {
  const bfd = { endToEnd: { mode: "seamless", discriminator: 900 } };
  const paths = [{ name: "fibre", endpoint: "https://collector.example:8443", bfd }];
  expect(() => parseGatewayConfig({ dataDir: "/x", collector: { publicKey: "ab".repeat(32) }, paths })).toThrow(
    /expected remote/,
  );
});
