import { chmod, rm } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { readConfigFile } from "@paddock/base/config.ts";
import { messageOf, PaddockError } from "@paddock/base/errors.ts";
import { jsonLinesLog } from "@paddock/base/log.ts";
import * as v from "valibot";
import { impairmentFields, impairmentOf, obey } from "../link/control.ts";
import { Link, type Protocol } from "../link/link.ts";
import { fleetName, whole } from "../scenario/fields.ts";
import { parseTarget, readArguments, usage } from "./arguments.ts";

const HELP = `paddock sim link: emulated uplinks in user space, without root

  paddock sim link --listen [::1]:9001 --target [::1]:8443 [--protocol tcp|udp|both] [--name NAME]
                   [--delay 20ms] [--jitter 5ms] [--loss 0.01] [--duplicate 0.001] [--rate BITS_PER_SECOND] [--seed N]
  paddock sim link --links links.json
      {"links":[{"name":"fibre","listen":"[::1]:0","target":"[::1]:8443","protocol":"tcp","delay":"5ms"}]}

  --control PATH   a Unix socket that takes commands     --stdin   commands on standard input; its end is the end
Commands are lines of JSON, each answered by one; without "link" they are meant for all links:
  {"do":"cut","link":"fibre","mode":"black-hole"}   mode black-hole or reset; direction to-target, from-target or both
  {"do":"heal"}
  {"do":"set","delay":"80ms","loss":0.02,"rateBitPerS":1000000,"direction":"from-target"}
  {"do":"status"}   {"do":"stop"}
The line with "event":"ready" on standard error has the ports. The target sees the relay's address, not the client's.
`;

const linkSchema = v.strictObject({
  name: fleetName,
  listen: v.string("write [address]:port"),
  target: v.string("write [address]:port"),
  protocol: v.optional(v.picklist(["tcp", "udp", "both"], "choose tcp, udp or both"), "both"),
  seed: v.optional(whole(0, 0xffff_ffff), 1),
  ...impairmentFields,
});
const linksSchema = v.strictObject({
  links: v.pipe(v.array(linkSchema), v.minLength(1, "describe at least one link")),
});
type LinkSettings = v.InferOutput<typeof linkSchema>;

/** `sim link`: runs until it is told to stop, by command, signal or the end of its standard input. */
export async function linkCommand(argv: readonly string[]): Promise<number> {
  const { values, positionals } = readArguments(argv, {
    help: { type: "boolean", short: "h", default: false },
    links: { type: "string" },
    name: { type: "string", default: "link" },
    listen: { type: "string" },
    target: { type: "string" },
    protocol: { type: "string" },
    delay: { type: "string" },
    jitter: { type: "string" },
    loss: { type: "string" },
    duplicate: { type: "string" },
    rate: { type: "string" },
    seed: { type: "string" },
    control: { type: "string" },
    stdin: { type: "boolean", default: false },
  });
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  if (positionals.length > 0) throw usage(`"${positionals[0]}" is not expected.`);
  const settings =
    values.links === undefined
      ? [fromFlags(values)]
      : (await readConfigFile(linksSchema, values.links, { namedBy: "--links" })).links;
  const links = new Map<string, Link>();
  const stopping = Promise.withResolvers<void>();
  const stop = (): void => stopping.resolve();
  let server: Server | undefined;
  try {
    for (const link of settings) {
      if (links.has(link.name)) throw usage(`two links have the name "${link.name}".`);
      links.set(link.name, await openLink(link));
    }
    if (values.control !== undefined) server = await serveControl(values.control, links, stop);
    if (values.stdin) serveLines(process.stdin, process.stdout, links, stop).on("close", stop);
    process.once("SIGINT", stop).once("SIGTERM", stop);
    const ports = [...links].map(([name, { tcpPort, udpPort }]) => ({ name, tcpPort, udpPort }));
    jsonLinesLog().info("ready", { links: ports });
    await stopping.promise;
  } finally {
    for (const link of links.values()) link.close();
    server?.close();
    process.stdin.destroy();
    if (values.control !== undefined) await rm(values.control, { force: true });
  }
  return 0;
}

function fromFlags(values: Readonly<Record<string, string | boolean | undefined>>): LinkSettings {
  if (values["listen"] === undefined || values["target"] === undefined)
    throw usage("--listen and --target are needed, or --links.");
  const checked = v.safeParse(linkSchema, {
    name: values["name"],
    listen: values["listen"],
    target: values["target"],
    protocol: values["protocol"],
    delay: values["delay"],
    jitter: values["jitter"],
    loss: numberOf(values["loss"]),
    duplicate: numberOf(values["duplicate"]),
    rateBitPerS: numberOf(values["rate"]),
    seed: numberOf(values["seed"]),
  });
  if (checked.success) return checked.output;
  throw usage(checked.issues.map((issue) => `--${String(issue.path?.[0]?.key)}: ${issue.message}.`).join(" "));
}

function numberOf(text: string | boolean | undefined): number | undefined {
  return text === undefined ? undefined : Number(text);
}

async function openLink(settings: LinkSettings): Promise<Link> {
  const protocols: Protocol[] = settings.protocol === "both" ? ["tcp", "udp"] : [settings.protocol];
  return Link.open({
    listen: parseTarget(settings.listen, "listen"),
    target: parseTarget(settings.target, "target"),
    protocols,
    seed: settings.seed,
    impairment: impairmentOf(settings),
  });
}

async function serveControl(path: string, links: ReadonlyMap<string, Link>, stop: () => void): Promise<Server> {
  const server = createServer((socket) => {
    socket.unref().on("error", () => socket.destroy());
    serveLines(socket, socket, links, stop);
  });
  try {
    await new Promise<void>((resolve, reject) => server.once("error", reject).listen(path, resolve));
    await chmod(path, 0o600);
  } catch (error) {
    throw new PaddockError("LISTEN_FAILED", `--control ${path}: ${messageOf(error)}.`, { cause: error });
  }
  return server.unref();
}

function serveLines(input: Readable, output: Writable, links: ReadonlyMap<string, Link>, stop: () => void) {
  // The interface repeats the errors of its input; a client that breaks off is none of the link's business.
  return createInterface({ input })
    .on("error", () => {})
    .on("line", (line) => output.write(`${obey(line, links, stop)}\n`));
}
