import { messageOf, PaddockError } from "@paddock/base/errors.ts";
import { formatServer, type SqlSinkOptions } from "./options.ts";

/** What mysql2 throws: a server's own error has a number, what came of the network has a code only. */
interface SqlFault {
  readonly errno?: number;
  readonly code?: string;
}

/** Errors of a server that pass by themselves: MariaDB's error codes, MySQL's where they are the same. */
const PASSING: ReadonlySet<number> = new Set([
  3, 1026, 1021, 1030, 1114, 1180, 1181, // its disk is full or fails
  1020, 1205, 1213, 1412, 1613, 1614, // others wrote at the same time; 1020 is the snapshot isolation of MariaDB 11.8
  1040, 1041, 1129, 1203, 1226, // too many sessions, or too little memory
  1042, 1043, 1053, 1077, 1079, 1080, 1152, 1158, 1159, 1160, 1161, 1184, 1927, 2006, 2013, 4031, // it goes away or hangs
  1047, 1290, 1317, 1792, 1836, 1969, // it is a replica, not in its cluster, or its administrator interrupted it
]); // prettier-ignore

const PASSING_REMEDIES: Readonly<Record<number, string>> = {
  1021: "Make room on the server's disk; the sink goes on by itself.",
  1114: "Make room on the server's disk, or let its InnoDB files grow; the sink goes on by itself.",
  1290: "The server takes no writes (--read-only): let the sink write to its primary, or wait until it is one.",
};

const RIGHTS = "SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, INDEX, DROP, CREATE VIEW, SHOW VIEW";

/** The failure as the runner and people need it: whether it passes by itself, and what helps. */
export function sqlFailure(thrown: unknown, options: SqlSinkOptions): PaddockError {
  if (thrown instanceof PaddockError) return thrown;
  const { errno, code } = thrown as SqlFault;
  const what = `The database ${options.database} at ${formatServer(options)}: ${messageOf(thrown)}`;
  const number = typeof errno === "number" && errno > 0 ? errno : undefined;
  const told = number === undefined ? what : `${what} (error ${number})`;
  if (number !== undefined ? PASSING.has(number) : !isCertificateFault(code)) {
    const remedy = number === undefined ? undefined : PASSING_REMEDIES[number];
    return new PaddockError("SINK_UNAVAILABLE", `${told}.`, {
      cause: thrown,
      ...(remedy === undefined ? {} : { remedy }),
    });
  }
  return new PaddockError("SINK_REFUSED", `${told}.`, { cause: thrown, remedy: remedyOf(number, options) });
}

/** A failure of TLS does not pass by itself; all else without a number is a server that is away. */
function isCertificateFault(code: string | undefined): boolean {
  return (
    code !== undefined && /^(?:HANDSHAKE_|CERT_|UNABLE_TO_|DEPTH_ZERO|SELF_SIGNED|ERR_TLS|ERR_SSL|ERR_OSSL)/u.test(code)
  );
}

function remedyOf(number: number | undefined, { user, database, tls }: SqlSinkOptions): string {
  switch (number) {
    case undefined:
      return `Correct tls.ca (${tls?.ca ?? "none"}) or the server's certificate: it must be for the host that is configured.`;
    case 1045:
    case 1698:
      return `Correct user (${user}) or the content of passwordFile; the server's ALTER USER sets a password.`;
    case 1044:
    case 1142:
    case 1143:
    case 1227:
    case 1370:
    case 1449:
      return `As the server's administrator: GRANT ${RIGHTS} ON ${quoteName(database)}.* TO the user ${user} of the sink.`;
    case 1049:
      return `As the server's administrator: CREATE DATABASE ${quoteName(database)}; or correct database of the sink.`;
    case 1153:
      return "Raise max_allowed_packet of the server: the default of 16 MiB is enough.";
    case 1054:
    case 1062:
    case 1146:
    case 1932:
    case 1034:
    case 1033:
    case 1712:
      return "Somebody changed or damaged the bridge's tables: put them back from a backup, or drop all tables and views named paddock_* and let the sink fill them again from the log.";
    default:
      return "Change what the server says; the sink tries again by itself.";
  }
}

function quoteName(name: string): string {
  return `\`${name.replaceAll("`", "``")}\``;
}
