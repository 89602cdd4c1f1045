import { execFile, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, open, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { until } from "@paddock/base/testing/until.ts";
import { hasEnded } from "../has-ended.ts";

/** A MariaDB or MySQL that hil-tests/setup.sh has put on this machine. */
export interface MariadbKind {
  readonly name: string;
  readonly server: string;
  readonly client: string;
  /** Where its messages are, and the statements that make MariaDB's system tables. */
  readonly share: string;
  /** What the names of these statements begin with; undefined: it is a MySQL, which makes its system tables by itself. */
  readonly prefix: string | undefined;
}

const UNPACKED = "/var/cache/paddock-hil/mariadb11";
const UNPACKED_MYSQL = "/var/cache/paddock-hil/mysql9";

/** Debian's of bookworm, and the next release's. */
export const MARIADBS: readonly MariadbKind[] = [
  {
    name: "MariaDB 10.11",
    server: "/usr/sbin/mariadbd",
    client: "/usr/bin/mariadb",
    share: "/usr/share/mysql",
    prefix: "mysql",
  },
  {
    name: "MariaDB 11.8",
    server: `${UNPACKED}/bin/mariadbd`,
    client: `${UNPACKED}/bin/mariadb`,
    share: `${UNPACKED}/root/usr/share/mariadb`,
    prefix: "mariadb",
  },
];

const MYSQL: MariadbKind = {
  name: "MySQL 9.7",
  server: `${UNPACKED_MYSQL}/bin/mysqld`,
  client: `${UNPACKED_MYSQL}/bin/mysql`,
  share: `${UNPACKED_MYSQL}/root/usr/share/mysql`,
  prefix: undefined,
};

/**
 * With MySQL where it is asked for by PADDOCK_HIL_MYSQL=1: Debian has it in the suite alone that changes every day, which
 * is nothing for every run to depend on.
 */
export const SQL_SERVERS: readonly MariadbKind[] =
  process.env["PADDOCK_HIL_MYSQL"] === "1" ? [...MARIADBS, MYSQL] : MARIADBS;

export interface Asked {
  readonly user?: string;
  readonly password?: string;
  readonly database?: string;
}

/** One server on a socket file of its own, without a port, with its data in a directory that goes with it. */
export class MariadbServer {
  readonly kind: MariadbKind;
  readonly directory: string;
  readonly socketPath: string;
  readonly #options: readonly string[];
  #process: ChildProcess | undefined;

  private constructor(kind: MariadbKind, directory: string, options: readonly string[]) {
    this.kind = kind;
    this.directory = directory;
    this.socketPath = join(directory, "s");
    this.#options = options;
  }

  /** Makes the data directory with an administrator `root` without a password, and starts, in a zone with summer time. */
  static async start(kind: MariadbKind, options: readonly string[] = []): Promise<MariadbServer> {
    if (!existsSync(kind.server))
      throw new Error(`${kind.server} is missing: run hil-tests/${kind === MYSQL ? "setup-mysql9.sh" : "setup.sh"}`);
    const directory = await mkdtemp(join(tmpdir(), "paddock-mariadb-"));
    const server = new MariadbServer(kind, directory, options);
    try {
      if (kind.prefix === undefined) await server.#initialise();
      else await server.#bootstrap(kind.prefix);
      await server.resume();
    } catch (error) {
      await server.stop();
      throw error;
    }
    return server;
  }

  /** Starts it again, and waits until it answers. */
  async resume(): Promise<void> {
    const log = await open(join(this.directory, "log"), "a");
    const mysqls = this.kind.prefix === undefined ? ["--mysqlx=OFF", "--secure-file-priv=NULL"] : [];
    const own = [`--socket=${this.socketPath}`, "--skip-networking", ...mysqls, ...this.#options];
    const child = spawn(this.kind.server, [...this.#arguments(), ...own], {
      stdio: ["ignore", log.fd, log.fd],
      env: { ...process.env, TZ: "Europe/Berlin" },
    });
    this.#process = child;
    try {
      await until(() => hasEnded(child) || this.ask("SELECT 1", { database: "mysql" }), "the server answers");
      if (hasEnded(child)) throw new Error("it ended");
    } catch (cause) {
      throw new Error(`${this.kind.name} did not start:\n${await readFile(join(this.directory, "log"), "utf8")}`, {
        cause,
      });
    } finally {
      await log.close();
    }
  }

  /** Ends it at once, as a power cut would but for the disk's cache. */
  async kill(signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (child === undefined || hasEnded(child)) return;
    const ended = once(child, "exit");
    child.kill(signal);
    await ended;
  }

  /** An empty database instead of whatever was in it. */
  async freshDatabase(name = "paddock"): Promise<void> {
    await this.ask(`DROP DATABASE IF EXISTS ${name}; CREATE DATABASE ${name}`, { database: "mysql" });
  }

  async stop(): Promise<void> {
    await this.kill();
    await rm(this.directory, { recursive: true, force: true });
  }

  /** Sends a signal, such as SIGSTOP. */
  signal(signal: NodeJS.Signals): void {
    this.#process?.kill(signal);
  }

  /** What the server's own command-line client answers: lines of columns with tabs between, without a head. */
  ask(statement: string, { user = "root", password, database = "paddock" }: Asked = {}): Promise<string> {
    const secret = password === undefined ? [] : [`--password=${password}`];
    const how = ["--no-defaults", "--batch", "--skip-column-names", "--default-character-set=utf8mb4"];
    const who = [`--socket=${this.socketPath}`, `--user=${user}`, ...secret];
    return new Promise((resolve, reject) => {
      const what = [`--execute=${statement}`, database];
      execFile(this.kind.client, [...how, ...who, ...what], { maxBuffer: 1 << 28 }, (error, stdout, stderr) => {
        if (error === null) resolve(stdout.trimEnd());
        else reject(new Error(stderr.trim() || error.message));
      });
    });
  }

  #arguments(): string[] {
    // The root of a container is who runs the tests. A process that is killed leaves what it wrote to the kernel.
    const user = process.getuid?.() === 0 ? ["--user=root"] : [];
    // The performance schema is half of what a MySQL takes to start, and nobody here looks at it.
    const own =
      this.kind.prefix === undefined
        ? ["--innodb-redo-log-capacity=32M", "--performance-schema=OFF"]
        : ["--innodb-log-file-size=32M"];
    const small = [...own, "--innodb-buffer-pool-size=64M", "--innodb-flush-method=nosync"];
    const where = [`--datadir=${join(this.directory, "data")}`, `--lc-messages-dir=${this.kind.share}`];
    return ["--no-defaults", ...user, ...where, `--pid-file=${join(this.directory, "pid")}`, ...small];
  }

  async #bootstrap(prefix: string): Promise<void> {
    await mkdir(join(this.directory, "data", "mysql"), { recursive: true });
    const files = ["system_tables", "performance_tables", "system_tables_data"].map((file) =>
      readFile(join(this.kind.share, `${prefix}_${file}.sql`), "utf8"),
    );
    const statements = ["use mysql;", "SET @auth_root_socket=NULL;", ...(await Promise.all(files))].join("\n");
    await this.#make(["--bootstrap", "--skip-grant-tables"], statements);
  }

  #initialise(): Promise<void> {
    return this.#make(["--initialize-insecure"], "");
  }

  /** Runs it once to make its data directory. */
  async #make(how: readonly string[], statements: string): Promise<void> {
    const child = spawn(this.kind.server, [...this.#arguments(), ...how], { stdio: ["pipe", "ignore", "pipe"] });
    let told = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => (told += text));
    // One that refuses its arguments is gone before it reads.
    child.stdin.on("error", () => {});
    child.stdin.end(`${statements}\n`);
    const [code] = (await once(child, "close")) as [number | null];
    if (code !== 0) throw new Error(`${this.kind.name} did not make its data directory: ${told}`);
  }
}
