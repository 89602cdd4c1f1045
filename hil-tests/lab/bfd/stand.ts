import assert from "node:assert/strict";
import { join } from "node:path";
import { afterEach, before, beforeEach } from "node:test";
import type { SessionSpecInput } from "@paddock/uplink/bfd/session-spec.ts";
import { missingForLab } from "../namespaces.ts";
import { Bird } from "../peers/bird.ts";
import { Frr, type FrrPrograms } from "../peers/frr.ts";
import { SpeakerProcess } from "./speaker-process.ts";
import { buildTopology, DIRECT, ROUTED, type Topology } from "./topology.ts";

/** Our end of 50 ms x3 over one hop; it never slows down, so that what is negotiated is what is written here. */
export const FAST: SessionSpecInput = {
  name: "one",
  kind: "single-hop",
  local: DIRECT.us,
  remote: DIRECT.peer,
  profile: "fast",
  adaptive: false,
};
export const MULTIHOP: SessionSpecInput = { ...FAST, kind: "multihop", local: ROUTED.us, remote: ROUTED.peer };

const FRR_TIMERS = "transmit-interval 50\nreceive-interval 50\ndetect-multiplier 3\n";
/** FRR's end of `FAST`, in its configuration. */
export const FRR_FAST = ` peer ${DIRECT.us} local-address ${DIRECT.peer}\n${FRR_TIMERS}`;
/** FRR's end of `MULTIHOP`. */
export const FRR_MULTIHOP = ` peer ${ROUTED.us} multihop local-address ${ROUTED.peer}\n${FRR_TIMERS}`;
/** FRR's end of 50 ms x3 over link-local addresses. */
export function frrLinkLocal(us: string, peer: string): string {
  return ` peer ${us} local-address ${peer} interface d1\n${FRR_TIMERS}`;
}

/** BIRD's end of `FAST`; `extra` goes into the options of the interface. */
export function birdFast(extra = ""): string {
  return `interface "d1" { min rx interval 50 ms; min tx interval 50 ms; idle tx interval 1 s; multiplier 3; ${extra} };
neighbor ${DIRECT.us} dev "d1" local ${DIRECT.peer};
`;
}

/** A topology and a speaker at real-time priority, fresh for each test of a file. */
export class Stand {
  #net: Topology | undefined;
  #speaker: SpeakerProcess | undefined;

  /** Registers the hooks of this file's tests; they fail where one of `commands` is missing. */
  constructor(commands: readonly string[]) {
    before(() => assert.deepEqual(missingForLab(["ip", "nft", "chrt", ...commands]), []));
    beforeEach(async () => {
      this.#net = buildTopology();
      this.#speaker = new SpeakerProcess(this.#net.us, this.#net.lab.directory);
      await this.#speaker.start({ fifo: true });
    });
    afterEach(async () => {
      await this.#speaker?.stop("SIGKILL");
      this.#net?.lab.destroy();
    });
  }

  get net(): Topology {
    return this.#net!;
  }

  get speaker(): SpeakerProcess {
    return this.#speaker!;
  }

  /** FRR in the peer's namespace, not started yet; the one of this machine or another. */
  frr(programs?: FrrPrograms): Frr {
    return new Frr(this.net.peer, this.file("frr"), { ...(programs && { programs }), fifo: true });
  }

  /** BIRD in the peer's namespace, not started yet. */
  bird(): Bird {
    return new Bird(this.net.peer, this.file("bird"));
  }

  /** A place for a file of this test. */
  file(name: string): string {
    return join(this.net.lab.directory, name);
  }

  /** Routes our echoes over the router: they leave by `u0` although they are addressed to ourselves. */
  routeEchoes(): void {
    const { us } = this.net;
    us.run("ip", "-6", "rule", "add", "pref", "100", "lookup", "local");
    us.run("ip", "-6", "rule", "add", "pref", "50", "iif", "lo", "ipproto", "udp", "dport", "3785", "lookup", "3785");
    us.run("ip", "-6", "rule", "del", "pref", "0");
    us.run("ip", "-6", "route", "add", `${ROUTED.us}/128`, "via", ROUTED.router, "dev", "u0", "table", "3785");
  }
}
