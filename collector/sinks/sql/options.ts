/** Where the database is and who the bridge is there. */
export interface SqlSinkOptions {
  /** `::1` when neither it nor `socketPath` is given. */
  readonly host?: string | undefined;
  /** 3306 when it is not given. */
  readonly port?: number | undefined;
  readonly socketPath?: string | undefined;
  readonly user: string;
  /** A file with nothing but the password; without it none is sent. */
  readonly passwordFile?: string | undefined;
  readonly database: string;
  /** The server has to show a certificate for `host` that `ca`, a PEM file, vouches for. */
  readonly tls?: { readonly ca: string } | undefined;
}

/** For people: where a server is. */
export function formatServer({ host, port, socketPath }: SqlSinkOptions): string {
  if (socketPath !== undefined) return socketPath;
  const name = host ?? "::1";
  return `${name.includes(":") ? `[${name}]` : name}:${port ?? 3306}`;
}
