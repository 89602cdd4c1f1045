import { expect, test } from "vitest";
import type { PathConfig } from "./path-config.ts";
import { explainFailure } from "./path-trouble.ts";

const PATH: PathConfig = {
  name: "lte",
  endpoint: "https://[2001:db8::1]:8443",
  preference: 1,
  source: "2001:db8:a::2",
};

test.each([
  ["connect ECONNREFUSED 2001:db8::1:8443", {}, "nothing listens at [2001:db8::1]:8443", "start the collector"],
  ["connect ECONNREFUSED", { endpoint: "https://[::1]" }, "nothing listens at [::1]:443", "correct the endpoint"],
  ["bind EADDRNOTAVAIL 2001:db8:a::2", {}, "the source 2001:db8:a::2 is on no interface", "give the machine"],
  ["bind EINVAL 192.0.2.1", { source: "192.0.2.1" }, "different IP versions", "same version"],
  ["getaddrinfo ENOTFOUND c.example", { endpoint: "https://c.example" }, "the name c.example is not found", "DNS"],
  ["connect ENETUNREACH 2001:db8::1", {}, "no route to [2001:db8::1]:8443", "routes"],
  ["404: no reason given", { endpoint: "https://[::1]:1/api" }, "with 404", "take /api out of the endpoint"],
  ["404: no reason given", {}, "with 404", "something else than the collector"],
  ["the peer's key is 00, not the configured 01", {}, "the peer's key is 00", "collector.publicKey"],
  ["no TLS connection to [2001:db8::1]:8443 within 10000 ms", {}, "does not answer", "firewalls"],
  ["read ECONNRESET", {}, "read ECONNRESET", "log"],
])("%s", (detail, change, why, remedy) => {
  const found = explainFailure({ ...PATH, ...change }, detail);
  expect(found.why).toContain(why);
  expect(found.remedy).toContain(remedy);
});
