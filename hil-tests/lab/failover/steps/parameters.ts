import type { Parameter } from "../gherkin/vocabulary.ts";

/** Words of the steps that stand for something. */
export const PARAMETERS: readonly Parameter[] = [
  {
    name: "uplinks",
    pattern: /the active uplink|the standby|that uplink|every uplink but the active one|every uplink|fibre|lte|radio/,
    does: "`fibre`, `lte`, `radio`, `the active uplink`, `the standby`, `every uplink`, `every uplink but the active one`, `that uplink`: the single one that a step before was about",
    read: (text) => text,
  },
  {
    name: "pace",
    pattern: /50 ms x3|300 ms x3/,
    does: "`50 ms x3` (Down after 150 ms, at real-time priority) or `300 ms x3` (Down after 900 ms)",
    read: (text) => (text === "50 ms x3" ? "fast" : "steady"),
  },
  {
    name: "direction",
    pattern: /to the collector|to the gateway/,
    does: "`to the collector` or `to the gateway`",
    read: (text) => (text === "to the collector" ? "to-collector" : "to-gateway"),
  },
  {
    name: "naming",
    pattern: /address|interface|prefix/,
    does: "`address`, `interface` or `prefix`: the last two follow the kernel's addresses",
    read: (text) => text,
  },
  {
    name: "http",
    pattern: /HTTP\/2|HTTP\/1\.1/,
    does: "`HTTP/2` or `HTTP/1.1`, which the ingress speaks to gateways",
    read: (text) => text,
  },
  {
    name: "again",
    pattern: /is reloaded|is restarted/,
    does: "`is reloaded` (`nginx -s reload`) or `is restarted` (SIGTERM, and a new start)",
    read: (text) => (text === "is reloaded" ? "reload" : "restart"),
  },
  {
    name: "end",
    pattern: /stops in good order|is killed/,
    does: "`stops in good order` (SIGTERM) or `is killed` (SIGKILL)",
    read: (text) => text,
  },
];
