/**
 * Requests to the device mapper that set up dm-verity as `/dev/dm-0`, for `ioctlProgram`: linux/dm-ioctl.h. Only the number
 * of sectors and the words about hashes are of one release, and init.sh puts them in; the rest is the same in each initrd.
 */

const NAME = "root";
/** What the kernel reads of a request: head, one target, its words. */
const REQUEST_BYTES = 4096;
const HEAD_BYTES = 312;
const READ_ONLY = 1;

const CREATE = 0xc138_fd03;
const RESUME = 0xc138_fd06;
const LOAD = 0xc138_fd09;

/** Files for the initrd, by the name of each. A load goes: `load`, u32 of sectors, `target`, words, a zero byte. */
export function deviceMapperRequests(): Readonly<Record<"create" | "load" | "target" | "resume", Buffer>> {
  // sector_start, 64 bits, stands behind the head; behind the length's lower half comes its upper one, status and next.
  const target = Buffer.alloc(4 + 4 + 4 + 16);
  target.write("verity", 12);
  return {
    create: headOf(CREATE, 0),
    load: Buffer.concat([headOf(LOAD, 1), Buffer.alloc(8)]),
    target,
    resume: headOf(RESUME, 0),
  };
}

function headOf(request: number, targets: number): Buffer {
  const head = Buffer.alloc(8 + HEAD_BYTES);
  head.writeUInt32LE(request, 0);
  const fields = head.subarray(8);
  // Version 4.0.0: what every kernel of these years speaks.
  fields.writeUInt32LE(4, 0);
  fields.writeUInt32LE(REQUEST_BYTES, 12);
  fields.writeUInt32LE(HEAD_BYTES, 16);
  fields.writeUInt32LE(targets, 20);
  fields.writeUInt32LE(READ_ONLY, 28);
  fields.write(NAME, 48);
  return head;
}
