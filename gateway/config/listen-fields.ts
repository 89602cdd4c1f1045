import { isIP, isIPv6 } from "node:net";
import { isLinkLocal } from "@paddock/uplink/bfd/session-spec.ts";
import * as v from "valibot";
import { described, portOf } from "./values.ts";

/** Of UDP listeners: their sockets are IPv6 only, as is the way back to a sensor. */
const listenAddress = v.pipe(
  v.string("expected an IPv6 address"),
  v.check(
    (text) => isIP(text) !== 4 && !text.toLowerCase().startsWith("::ffff:"),
    "expected an IPv6 address, such as ::, because sensors reach the gateway over IPv6 only; put a translator (RFC 7915) in front of IPv4 sensors",
  ),
  v.check(
    (text) => isIP(text) === 4 || isIPv6(text.split("%")[0]!),
    "expected an IPv6 address, such as :: or fe80::1%eth0",
  ),
  v.check(
    (text) => !isLinkLocal(text) || text.includes("%"),
    "expected the interface behind a link-local address, as in fe80::1%eth0: it is another address on every link",
  ),
  v.check(
    (text) => !/^ff/i.test(text),
    "expected no multicast address: the gateway joins ff02::fd and ff05::fd by itself",
  ),
);

/** A UDP listener of the gateway. */
export const udpListen = v.strictObject({
  address: described(
    listenAddress,
    "IPv6 address to bind; :: takes every address of this machine, and answers from the one that was asked.",
  ),
  port: described(v.optional(portOf("UDP"), 5683), "UDP port; 0 lets the kernel choose one."),
});
