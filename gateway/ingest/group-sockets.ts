import { messageOf } from "@paddock/base/errors.ts";
import type { Log } from "@paddock/base/log.ts";
import { isAnyAddress, reachableAt, type Link } from "./links.ts";
import { SocketSet } from "./socket-set.ts";
import type { DatagramHandler, UdpSocket } from "./udp-socket.ts";

/** All CoAP Nodes, on the link and on the site (RFC 7252 §12.8). */
export const COAP_GROUP_LINK = "ff02::fd";
export const COAP_GROUP_SITE = "ff05::fd";

export interface GroupSocketsOptions {
  readonly log: Log;
  /** The unicast listeners; groups are joined on their ports, where neighbours can reach them. */
  readonly listeners: readonly UdpSocket[];
  /** Handles what came for a group; answers leave from `replyVia`. */
  readonly handler: (replyVia: UdpSocket) => DatagramHandler;
  /** Binds a socket beside others on the same port. */
  readonly open: (address: string, port: number, handle: DatagramHandler) => Promise<UdpSocket>;
}

interface Group {
  readonly group: string;
  /** What to bind, with the zone of a link's group. */
  readonly address: string;
  readonly links: readonly Link[];
  readonly replyVia: UdpSocket;
}

/**
 * Sockets bound to the groups' addresses: that is how to know that a request was sent to a group, since Node does not
 * tell the destination. The link's group needs one for each link; the site's has one that joins on every link, because
 * two would both get what arrives on either. They follow the links as these come and go.
 */
export class GroupSockets {
  readonly #options: GroupSocketsOptions;
  readonly #set: SocketSet<Group>;
  /** Links on which the wildcard sockets were kept out of the groups. */
  readonly #shunned = new Set<string>();

  constructor(options: GroupSocketsOptions) {
    this.#options = options;
    this.#set = new SocketSet({
      open: (wish) => this.#join(wish),
      failed: ({ group, links }, error, count) => {
        // Each list is a new try: the first failure is told, then every doubling.
        if ((count & (count - 1)) !== 0) return;
        const interfaces = links.map(({ name }) => name);
        options.log.warn("multicast-not-joined", { group, interfaces, count, reason: messageOf(error) });
      },
    });
  }

  /** What is joined, as `ff02::fd%eth0` and so on. */
  joined(): string[] {
    return this.#set.keys().map((key) => key.slice(key.indexOf(" ") + 1));
  }

  follow(links: readonly Link[]): Promise<void> {
    return this.#set.update(this.#wanted(links));
  }

  close(): Promise<void> {
    return this.#set.close();
  }

  /** By port and group. Several listeners on one port share its groups: the first one that a link reaches answers. */
  #wanted(links: readonly Link[]): Map<string, Group> {
    const wanted = new Map<string, Group>();
    const byPort = Map.groupBy(this.#options.listeners, ({ port }) => port);
    for (const [port, listeners] of byPort) {
      const reached = links.flatMap((link) => {
        const replyVia = listeners.find(({ address }) => reachableAt(address, link).length > 0);
        return replyVia === undefined ? [] : [{ link, replyVia }];
      });
      for (const { link, replyVia } of reached) {
        const address = `${COAP_GROUP_LINK}%${link.name}`;
        wanted.set(`${port} ${address}#${link.index}`, { group: COAP_GROUP_LINK, address, links: [link], replyVia });
      }
      if (reached.length === 0) continue;
      // Joined anew when the links change: which of its joins the kernel has dropped is not to be known.
      const names = reached.map(({ link }) => `${link.name}#${link.index}`).join(",");
      wanted.set(`${port} ${COAP_GROUP_SITE} ${names}`, {
        group: COAP_GROUP_SITE,
        address: COAP_GROUP_SITE,
        links: reached.map(({ link }) => link),
        replyVia: reached[0]!.replyVia,
      });
    }
    return wanted;
  }

  async #join({ group, address, links, replyVia }: Group): Promise<UdpSocket> {
    const { open, handler, listeners } = this.#options;
    const socket = await open(address, replyVia.port, handler(replyVia));
    try {
      for (const link of links) {
        socket.join(group, link.name);
        const key = `${replyVia.port} ${group} ${link.name}#${link.index}`;
        if (this.#shunned.has(key)) continue;
        for (const unicast of listeners) {
          if (isAnyAddress(unicast.address) && unicast.port === replyVia.port) unicast.shun(group, link.name);
        }
        this.#shunned.add(key);
      }
      return socket;
    } catch (error) {
      await socket.close();
      throw error;
    }
  }
}
