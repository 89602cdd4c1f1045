import type { Clock } from "@paddock/base/clock.ts";
import type { Log } from "@paddock/base/log.ts";
import type { AddressFeed } from "@paddock/uplink/paths/address-feed.ts";
import type { GatewayConfig } from "./config.ts";
import { Discovery } from "./discovery.ts";
import type { UdpListeners } from "./ingest/udp-listener.ts";

/** Digits of the gateway's id in the name that is announced. */
const ID_DIGITS = 12;

/**
 * Keeps what sensors meet in line with the addresses and interfaces of this machine: sockets, groups, announcements.
 * `id` is the gateway's in hex. Call `stop` before the listeners are closed; it says goodbye.
 */
export function followLinks(
  { discovery: settings, notices }: GatewayConfig,
  id: string,
  listeners: UdpListeners,
  { addresses, clock, log }: { readonly addresses: AddressFeed; readonly clock: Clock; readonly log: Log },
): { stop(): Promise<void> } {
  if (settings.multicast) log.info("multicast", { groups: listeners.groups() });
  else log.info("multicast-off", { detail: "discovery.multicast is false: CoAP requests to groups are not answered" });
  const coap = listeners.addresses().filter(({ kind }) => kind === "coap");
  const name = settings.name ?? `paddock-${id.slice(0, ID_DIGITS)}`;
  const discovery = settings.enabled ? new Discovery({ name, id, notices, listeners: coap }, log, clock) : undefined;
  if (coap.length === 0 || (discovery === undefined && !listeners.follows)) return { stop: async () => {} };
  const leave = addresses.follow((present) => {
    void listeners.follow(present);
    void discovery?.follow(present);
  });
  return {
    stop: async () => {
      leave();
      await discovery?.stop();
    },
  };
}
