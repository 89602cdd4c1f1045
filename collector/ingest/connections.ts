import type { Http2Session } from "node:http2";
import type { Socket } from "node:net";
import { connectionOf, type AnyRequest, type AnyResponse } from "./http-answer.ts";
import type { ConnectionPlace, ConnectionPlaces } from "./connection-places.ts";

/** Of a connection that ended meanwhile. */
const NO_PLACE: ConnectionPlace = { known() {}, proven() {}, goesOn: () => true, leave() {} };

interface Connection {
  readonly socket: Socket;
  place: ConnectionPlace;
  session: Http2Session | undefined;
  /** Of HTTP/1.1, which cannot say that it takes no more: requests that are not answered yet. */
  unanswered: number;
  ending: boolean;
}

/**
 * Knows the place of each connection by what Node shows of it: a socket first, then TLS over it, then perhaps a session.
 * Both ends of a connection are the same to all three.
 */
export class Connections {
  readonly #places: ConnectionPlaces;
  readonly #open = new Map<string, Connection>();
  readonly #bySession = new WeakMap<object, Connection>();
  readonly #sockets = new Set<Socket>();

  constructor(places: ConnectionPlaces) {
    this.#places = places;
  }

  /** Takes in a socket, or ends it when there is no place. */
  enter(socket: Socket): void {
    const connection: Connection = { socket, place: NO_PLACE, session: undefined, unanswered: 0, ending: false };
    const place = this.#places.enter({ soon: () => endSoon(connection), now: () => void socket.destroy() });
    if (place === undefined) return void socket.destroy();
    connection.place = place;
    const key = keyOf(socket);
    this.#open.set(key, connection);
    this.#sockets.add(socket);
    socket.once("close", () => {
      place.leave();
      this.#sockets.delete(socket);
      if (this.#open.get(key) === connection) this.#open.delete(key);
    });
  }

  startSession(session: Http2Session): void {
    const connection = this.#open.get(keyOf(session.socket));
    if (connection === undefined) return;
    connection.session = session;
    this.#bySession.set(session, connection);
  }

  /** The place of the connection that a request came by. */
  placeOf(request: AnyRequest, response: AnyResponse): ConnectionPlace {
    const session = this.#bySession.get(connectionOf(request));
    if (session !== undefined) return session.place;
    const connection = this.#open.get(keyOf(request.socket));
    if (connection === undefined) return NO_PLACE;
    connection.unanswered++;
    response.once("close", () => {
      connection.unanswered--;
      if (connection.ending && connection.unanswered === 0) request.socket.destroy();
    });
    return connection.place;
  }

  destroyAll(): void {
    for (const socket of this.#sockets) socket.destroy();
  }
}

function endSoon(connection: Connection): void {
  connection.ending = true;
  if (connection.session !== undefined) connection.session.close();
  else if (connection.unanswered === 0) connection.socket.destroy();
}

function keyOf({ remoteAddress, remotePort, localAddress, localPort }: Partial<Socket>): string {
  return `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`;
}
