/** Where the database is and who the bridge is there. */
export interface SqlSinkOptions {
  /** `localhost` when neither it nor `socketPath` is given. */
  readonly host?: string | null;
  /** 3306 when it is not given. */
  readonly port?: number;
  readonly socketPath?: string | null;
  readonly user: string;
  /** A file with nothing but the password; without it none is sent. */
  readonly passwordFile?: string | null;
  readonly database: string;
  /** The server has to show a certificate for `host` that `ca`, a PEM file, vouches for. */
  readonly tls?: { readonly ca: string } | null;
}

/** For people: where a server is. */
export function formatServer({ host, port, socketPath }: SqlSinkOptions): string {
  if (typeof socketPath === "string") return socketPath;
  const name = host ?? DEFAULT_HOST;
  return `${name.includes(":") ? `[${name}]` : name}:${port ?? DEFAULT_PORT}`;
}

export const DEFAULT_HOST = "localhost";
export const DEFAULT_PORT = 3306;
