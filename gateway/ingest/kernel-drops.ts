/**
 * Datagrams that the kernel dropped for want of room in a socket's receive buffer, from /proc/net/udp6. Nothing else
 * tells: they never reach the process.
 */
export function sumKernelDrops(procNetUdp6: string, ports: ReadonlySet<number>): number {
  let drops = 0;
  for (const line of procNetUdp6.split("\n")) {
    const fields = line.trim().split(/\s+/);
    const port = /:([0-9A-F]{4})$/.exec(fields[1] ?? "");
    if (port === null || !ports.has(Number.parseInt(port[1]!, 16))) continue;
    const count = Number(fields.at(-1));
    if (Number.isSafeInteger(count)) drops += count;
  }
  return drops;
}
