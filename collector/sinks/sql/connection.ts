import { PaddockError } from "@paddock/base/errors.ts";
import { readSecret } from "../secret.ts";
import { sqlFailure } from "./failure.ts";
import { DEFAULT_HOST, DEFAULT_PORT, type SqlSinkOptions } from "./options.ts";

/** Whole numbers of 64 bits as text, times as text, bytes as Buffer; all else as mysql2 gives it. */
export type SqlAnswer = Readonly<Record<string, string | number | Buffer | null>>;

/** One session at a server. After a failure it is not used again. */
export interface SqlConnection {
  /** The rows that a statement answers, none for one that answers none. Throws PaddockError. */
  run(statement: string, limits?: { readonly timeoutMs?: number }): Promise<readonly SqlAnswer[]>;
  /** Whether the server closed it, as it does with one that was idle for long. */
  isLost(): boolean;
  close(): Promise<void>;
  /** Closes without asking the server, which then undoes what was not committed. */
  destroy(): void;
}

/** A statement that takes longer has met a server that hangs: what it does is bounded by the rows of a chunk. */
const STATEMENT_MS = 120_000;
const CONNECT_MS = 10_000;

/**
 * What every session needs before its first statement, whatever the server's own settings are: times are UTC, what does
 * not fit a column is an error, a backslash escapes, and text compares by its bytes.
 */
const SESSION: readonly string[] = [
  "SET NAMES utf8mb4 COLLATE utf8mb4_bin",
  "SET time_zone = '+00:00'",
  "SET sql_mode = 'STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION'",
  "SET autocommit = 1",
  "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
];

/** Opens a session. Throws PaddockError that says what is wrong with the server, the password or the package. */
export async function connectSql(options: SqlSinkOptions): Promise<SqlConnection> {
  const { createConnection } = await loadMysql2();
  const { host, port, socketPath, user, passwordFile, database, tls } = options;
  const password = typeof passwordFile === "string" ? await readSecret(passwordFile) : undefined;
  let isLost = false;
  let connection;
  try {
    connection = await createConnection({
      ...(typeof socketPath === "string" ? { socketPath } : { host: host ?? DEFAULT_HOST, port: port ?? DEFAULT_PORT }),
      // Names of hosts are checked on request only.
      ...(tls ? { ssl: { ca: await readSecret(tls.ca, "tls.ca"), verifyIdentity: true } } : {}),
      user,
      database,
      ...(password === undefined ? {} : { password }),
      charset: "UTF8MB4_BIN",
      // The default is this machine's own zone, in which an hour comes twice a year.
      timezone: "Z",
      dateStrings: true,
      // The default rounds whole numbers above 2^53; without the second they are text only there.
      supportBigNumbers: true,
      bigNumberStrings: true,
      connectTimeout: CONNECT_MS,
      flags: ["-LOCAL_FILES", "-FOUND_ROWS"],
    });
  } catch (error) {
    throw sqlFailure(error, options);
  }
  // Without a listener the end of an idle session would end this process.
  connection.on("error", () => (isLost = true));
  connection.on("end", () => (isLost = true));
  const session: SqlConnection = {
    async run(statement, limits) {
      try {
        const [answer] = await connection.query({ sql: statement, timeout: limits?.timeoutMs ?? STATEMENT_MS });
        return Array.isArray(answer) ? (answer as SqlAnswer[]) : [];
      } catch (error) {
        throw sqlFailure(error, options);
      }
    },
    isLost: () => isLost,
    close: async () => {
      isLost = true;
      // The server may be gone; there is nothing left to lose.
      await connection.end().catch(() => connection.destroy());
    },
    destroy() {
      isLost = true;
      connection.destroy();
    },
  };
  try {
    for (const statement of SESSION) await session.run(statement);
  } catch (error) {
    session.destroy();
    throw error;
  }
  return session;
}

async function loadMysql2(): Promise<typeof import("mysql2/promise")> {
  try {
    return await import("mysql2/promise");
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== "ERR_MODULE_NOT_FOUND") throw cause;
    throw new PaddockError("SINK_REFUSED", "The package mysql2 is not installed; a sink of the kind sql needs it.", {
      cause,
      remedy: "Run npm install where Paddock stands, without --omit=optional.",
    });
  }
}
