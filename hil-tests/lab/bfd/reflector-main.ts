/* A reflector with the options of its only argument; each line on standard input asks for its report, the end ends it. */
import { createInterface } from "node:readline";
import { BfdReflector, type ReflectorOptions } from "@paddock/uplink/bfd/reflector.ts";

const reflector = new BfdReflector(JSON.parse(process.argv[2]!) as ReflectorOptions);
await reflector.start();
createInterface({ input: process.stdin })
  .on("line", () => process.stdout.write(`${JSON.stringify(reflector.report())}\n`))
  .on("close", () => void reflector.close());
