import { execFileSync, type ChildProcess } from "node:child_process";
import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { codeBlock } from "../../docs/code-block.ts";
import { eventually, type Namespace } from "../namespaces.ts";

/** The page whose example is what runs here. */
const PAGE = new URL("../../../docs/operations.md", import.meta.url);
/** Addresses and files of the example. */
const EXAMPLE = {
  listen: "[::]:443",
  collector: "[::1]:8443",
  certificate: "/etc/nginx/ingress.pem",
  key: "/etc/nginx/ingress.key",
  pinned: "/etc/nginx/collector.pem",
} as const;

export interface NginxOptions {
  /** `[address]:port` that gateways connect to. */
  readonly listen: string;
  /** `[address]:port` of the collector. */
  readonly collector: string;
  /** A session, or connection of HTTP/1.1, ends in order after this many requests. */
  readonly requestsPerSession: number;
  /** Whether it speaks HTTP/2 to gateways. */
  readonly http2: boolean;
}

/** nginx as docs/operations.md configures it in front of a collector, in a namespace and without a service manager. */
export class Nginx {
  /** PEM file of who signed its certificate. */
  readonly authority: string;
  readonly #namespace: Namespace;
  readonly #directory: string;
  readonly #options: NginxOptions;
  #child: ChildProcess | undefined;

  /** Throws when the example of the page has not what is to be put in here. */
  constructor(namespace: Namespace, directory: string, options: NginxOptions) {
    this.#namespace = namespace;
    this.#directory = directory;
    this.#options = options;
    mkdirSync(directory, { recursive: true });
    this.authority = this.#file("ingress.pem");
    const address = /^\[(.+)\]/u.exec(options.listen)![1]!;
    const subject = ["-subj", "/CN=ingress", "-addext", `subjectAltName=IP:${address}`];
    const files = ["-keyout", this.#file("ingress.key"), "-out", this.authority];
    const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"];
    execFileSync("openssl", ["req", "-x509", "-nodes", "-days", "2", ...curve, ...subject, ...files], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    writeFileSync(this.#file("nginx.conf"), this.#configuration());
  }

  /** Starts it, the collector being there: its certificate is fetched from it, by the command of the page. */
  async start(): Promise<void> {
    const page = readFileSync(PAGE, "utf8");
    const fetch = put(codeBlock(section(page), "sh"), {
      [EXAMPLE.collector]: this.#options.collector,
      [EXAMPLE.pinned]: this.#file("collector.pem"),
    });
    this.#namespace.run("sh", "-c", fetch);
    await this.#run();
  }

  /** `nginx -s reload`: new workers take over, and the old ones end their sessions in order. */
  reload(): void {
    this.#namespace.run("nginx", ...this.#arguments, "-s", "reload");
  }

  /** Ends at once, with every connection, and starts again. */
  async restart(): Promise<void> {
    const gone = new Promise((resolve) => this.#child!.once("exit", resolve));
    this.#child!.kill("SIGTERM");
    await gone;
    await this.#run();
  }

  /** How many connections have brought a request. */
  connections(): number {
    return new Set(readFileSync(this.#file("access.log"), "utf8").split("\n").filter(Boolean)).size;
  }

  async #run(): Promise<void> {
    const output = openSync(this.#file("nginx.out"), "a");
    const foreground = ["-g", "daemon off;"];
    this.#child = this.#namespace.spawn("nginx", [...this.#arguments, ...foreground], {
      stdio: ["ignore", output, output],
    });
    closeSync(output);
    const { listen } = this.#options;
    await eventually(`nginx listens on ${listen}: ${readFileSync(this.#file("nginx.out"), "utf8")}`, () =>
      this.#namespace.run("ss", "-Htln").includes(listen),
    );
  }

  get #arguments(): string[] {
    return ["-p", this.#directory, "-c", this.#file("nginx.conf"), "-e", this.#file("error.log")];
  }

  #configuration(): string {
    const { listen, collector, requestsPerSession, http2 } = this.#options;
    const server = put(codeBlock(section(readFileSync(PAGE, "utf8")), "nginx"), {
      [`${EXAMPLE.listen} ssl http2`]: http2 ? `${listen} ssl http2` : `${listen} ssl`,
      [EXAMPLE.collector]: collector,
      [EXAMPLE.certificate]: this.authority,
      [EXAMPLE.key]: this.#file("ingress.key"),
      [EXAMPLE.pinned]: this.#file("collector.pem"),
      "keepalive_requests 10000;": `keepalive_requests ${requestsPerSession};`,
    });
    const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
      .map((kind) => `${kind}_temp_path ${this.#file(`temp-${kind}`)};`)
      .join("\n");
    // The workers stay root: they write below a directory of the test.
    const around = `user root;\nworker_processes 1;\npid ${this.#file("nginx.pid")};\nevents { worker_connections 1024; }\n`;
    return `${around}http {\nlog_format connection $connection;\naccess_log ${this.#file("access.log")} connection;\n${temporary}\n${server}}\n`;
  }

  #file(name: string): string {
    return join(this.#directory, name);
  }
}

function section(page: string): string {
  const at = page.indexOf("### An ingress in front of the collector");
  if (at < 0) throw new Error("docs/operations.md says nothing about an ingress");
  return page.slice(at);
}

/** Throws when one of the words is not there: the page was changed, and this would test something else. */
function put(text: string, words: Readonly<Record<string, string>>): string {
  return Object.entries(words).reduce((result, [from, to]) => {
    if (!result.includes(from)) throw new Error(`the example of docs/operations.md has no ${JSON.stringify(from)}`);
    return result.replaceAll(from, to);
  }, text);
}
