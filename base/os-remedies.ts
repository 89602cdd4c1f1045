import type { ErrorCode } from "./errors.ts";

/** What to do about a code of the operating system (errno(3)), where it says more than the table of our own codes. */
const REMEDIES: Partial<Record<ErrorCode, Readonly<Record<string, string>>>> = {
  LISTEN_FAILED: {
    EACCES:
      "A port below 1024 needs CAP_NET_BIND_SERVICE (AmbientCapabilities= in the unit), or choose one from 1024 on; a socket file needs a directory that this user may write.",
    EADDRINUSE: "Something else listens there: ss -lnptu names it; or choose another port.",
    EADDRNOTAVAIL: "That address is not on this machine now: ip addr shows those that are.",
    EINVAL: "A link-local address needs its interface behind it, as in fe80::1%eth0.",
    ENOENT: "The directory of the socket file does not exist: make it, or name another one.",
  },
  STATUS_UNREACHABLE: {
    EACCES: "Run the command as the user that runs the program, or as root: the socket is for that user alone.",
  },
};

/** The remedy for `code` when the failure below it was `cause`, or undefined when the table has the better one. */
export function remedyByCause(code: ErrorCode, cause: unknown): string | undefined {
  const errno = (cause as NodeJS.ErrnoException | undefined)?.code;
  return errno === undefined ? undefined : REMEDIES[code]?.[errno];
}
