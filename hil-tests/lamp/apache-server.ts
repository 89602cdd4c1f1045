import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { chown, copyFile, mkdir, mkdtemp, open, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { until } from "@paddock/base/testing/until.ts";
import { freePort } from "../free-port.ts";
import { hasEnded } from "../has-ended.ts";

const PROGRAM = "/usr/sbin/apache2";
const MODULES = "/usr/lib/apache2/modules";
const PHP_MODULE = `${MODULES}/libphp8.2.so`;

/**
 * Debian's Apache with PHP on ::1, with a folder, a configuration and a php.ini of its own; the machine's are not read. It
 * has no rights: where the tests run as root, it runs as www-data from the start.
 */
export class ApacheServer {
  readonly port: number;
  readonly #directory: string;
  readonly #user: { readonly uid?: number; readonly gid?: number };
  #process: ChildProcess | undefined;

  private constructor(directory: string, port: number, user: { readonly uid?: number; readonly gid?: number }) {
    this.#directory = directory;
    this.port = port;
    this.#user = user;
  }

  /** Serves these PHP files; their mysqli finds its server at `socketPath`. */
  static async start(pages: readonly string[], socketPath: string): Promise<ApacheServer> {
    for (const file of [PROGRAM, PHP_MODULE]) {
      if (!existsSync(file)) throw new Error(`${file} is missing: run hil-tests/setup.sh`);
    }
    const directory = await mkdtemp(join(tmpdir(), "paddock-apache-"));
    const server = new ApacheServer(directory, await freePort(), process.getuid?.() === 0 ? wwwData() : {});
    try {
      await server.#lay(pages, socketPath);
      await server.resume();
    } catch (error) {
      await server.stop();
      throw error;
    }
    return server;
  }

  /** What it answers at a path: status, and body. */
  async get(path: string): Promise<{ readonly status: number; readonly type: string | null; readonly body: string }> {
    const response = await fetch(`http://[::1]:${this.port}${path}`);
    return { status: response.status, type: response.headers.get("content-type"), body: await response.text() };
  }

  /** Starts it, again too, and waits until it answers. */
  async resume(): Promise<void> {
    const log = await open(this.#in("log"), "a");
    // A group of its own: a parent that is killed leaves its children, which hold the port.
    const child = spawn(PROGRAM, ["-d", this.#directory, "-f", this.#in("httpd.conf"), "-D", "FOREGROUND"], {
      stdio: ["ignore", log.fd, log.fd],
      env: { PATH: process.env["PATH"], PHP_INI_SCAN_DIR: "", TZ: "UTC" },
      detached: true,
      ...this.#user,
    });
    this.#process = child;
    try {
      await until(async () => hasEnded(child) || this.get("/"), "Apache answers");
      if (hasEnded(child)) throw new Error("it ended");
    } catch (cause) {
      throw new Error(`Apache did not start:\n${await readFile(this.#in("log"), "utf8")}`, { cause });
    } finally {
      await log.close();
    }
  }

  /** Ends it and its children at once. */
  async kill(): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (child?.pid === undefined || hasEnded(child)) return;
    const ended = once(child, "exit");
    process.kill(-child.pid, "SIGKILL");
    await ended;
  }

  async stop(): Promise<void> {
    await this.kill();
    await rm(this.#directory, { recursive: true, force: true });
  }

  async #lay(pages: readonly string[], socketPath: string): Promise<void> {
    for (const folder of ["pages", "ini"]) await mkdir(this.#in(folder));
    for (const page of pages) await copyFile(page, join(this.#in("pages"), basename(page)));
    await writeFile(this.#in("httpd.conf"), this.#config());
    await writeFile(join(this.#in("ini"), "php.ini"), phpIni(socketPath));
    const { uid, gid } = this.#user;
    await writeFile(this.#in("log"), "");
    if (uid === undefined || gid === undefined) return;
    for (const own of [this.#directory, this.#in("log")]) await chown(own, uid, gid);
  }

  #config(): string {
    const modules = { mpm_prefork: "mod_mpm_prefork.so", authz_core: "mod_authz_core.so", php: basename(PHP_MODULE) };
    return [
      ...Object.entries(modules).map(([name, file]) => `LoadModule ${name}_module ${MODULES}/${file}`),
      `Listen [::1]:${this.port}`,
      "ServerName lamp",
      `PidFile ${this.#in("pid")}`,
      `DefaultRuntimeDir ${this.#directory}`,
      `ErrorLog ${this.#in("log")}`,
      `DocumentRoot ${this.#in("pages")}`,
      `PHPIniDir ${this.#in("ini")}`,
      "StartServers 1",
      "MinSpareServers 1",
      "MaxSpareServers 2",
      "MaxRequestWorkers 4",
      "<FilesMatch \\.php$>",
      "  SetHandler application/x-httpd-php",
      "</FilesMatch>",
      "",
    ].join("\n");
  }

  #in(name: string): string {
    return join(this.#directory, name);
  }
}

function phpIni(socketPath: string): string {
  const extensions = ["mysqlnd", "mysqli"].map((name) => `extension=${name}`);
  return [...extensions, `mysqli.default_socket=${socketPath}`, "display_errors=1", ""].join("\n");
}

function wwwData(): { readonly uid: number; readonly gid: number } {
  const [uid, gid] = ["-u", "-g"].map((flag) => Number(execFileSync("id", [flag, "www-data"], { encoding: "utf8" })));
  return { uid: uid!, gid: gid! };
}
