import { type Arrival, canonicalAddress } from "./session-directory.ts";
import { type PortSet, sessionPorts } from "./session-spec.ts";
import type { SpeakerSession } from "./speaker-session.ts";
import type { OnProblem, Transport } from "./transport.ts";

export interface SocketHandlers {
  /** A datagram on the listening port, whose session is yet to be found. */
  readonly onArrival: (arrival: Arrival, datagram: Buffer) => void;
  /** A datagram on the sending socket of a probe: its answer. */
  readonly onAnswer: (datagram: Buffer) => void;
  /** A datagram where none is to come. */
  readonly onStray: () => void;
  readonly onProblem: OnProblem;
}

/** Opens what a session needs: a sending socket, and for single hop and multihop the shared listener of its address. */
export function openSockets(
  session: SpeakerSession,
  transport: Transport,
  ports: PortSet,
  handlers: SocketHandlers,
): void {
  const { kind, local, remote } = session.spec;
  const { localPort, remotePort } = sessionPorts(session.spec, ports);
  const twoPorts = kind === "single-hop" || kind === "multihop";
  if (twoPorts) {
    const at = canonicalAddress(local);
    session.listener = transport.listen(
      local,
      localPort,
      (datagram, from) => handlers.onArrival({ kind, local: at, localPort, remote: from }, datagram),
      handlers.onProblem,
    );
  }
  // Echo packets leave from and come back to one port.
  const echoPort = kind === "echo" ? localPort : undefined;
  session.channel = transport.connect(
    { local, localPort: echoPort, remote: remote ?? local, remotePort: echoPort ?? remotePort },
    (datagram) => (twoPorts ? handlers.onStray() : handlers.onAnswer(datagram)),
    handlers.onProblem,
  );
}
