/*
 * A seamless BFD reflector, and nothing else in its process. Started by fork; tells its port, then how many packets it
 * has answered.
 *
 *     bfd-reflector.ts DISCRIMINATOR
 */
import { BfdReflector } from "@paddock/uplink/bfd/reflector.ts";
import { serveFork } from "./forked.ts";

const reflector = new BfdReflector({
  seamless: { listen: [{ address: "::1", port: 0 }], discriminators: [Number(process.argv[2])] },
});
const [port] = await reflector.start();
serveFork({ port }, () => ({ count: reflector.report().reflected }));
