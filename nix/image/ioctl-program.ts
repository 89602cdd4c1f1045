import type { Arch } from "../bundle/native-part.ts";

/**
 * A program of some 200 bytes that makes one ioctl, which no command of busybox does: on its standard input, with what
 * descriptor 3 has: the request's number in 8 bytes, little-endian, and then what the kernel is shown. It ends with the
 * kernel's error, 0 when there was none. For the device mapper this takes the place of dmsetup, whose libraries were
 * half of the initrd.
 */
export function ioctlProgram(arch: Arch): Buffer {
  const { machine, code } = PROGRAMS[arch];
  const size = HEADER_BYTES + SEGMENT_BYTES + code.length;
  const file = Buffer.alloc(size);
  // ELF-64: little-endian, version 1; an executable.
  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  file.writeUInt16LE(2, 16);
  file.writeUInt16LE(machine, 18);
  file.writeUInt32LE(1, 20);
  file.writeBigUInt64LE(BigInt(BASE + HEADER_BYTES + SEGMENT_BYTES), 24);
  file.writeBigUInt64LE(BigInt(HEADER_BYTES), 32);
  file.writeUInt16LE(HEADER_BYTES, 52);
  file.writeUInt16LE(SEGMENT_BYTES, 54);
  file.writeUInt16LE(1, 56);
  // One segment: the whole file, loaded, readable and executable.
  const segment = file.subarray(HEADER_BYTES);
  segment.writeUInt32LE(1, 0);
  segment.writeUInt32LE(5, 4);
  for (const at of [16, 24]) segment.writeBigUInt64LE(BigInt(BASE), at);
  for (const at of [32, 40]) segment.writeBigUInt64LE(BigInt(size), at);
  segment.writeBigUInt64LE(0x10000n, 48);
  file.set(code, HEADER_BYTES + SEGMENT_BYTES);
  return file;
}

const HEADER_BYTES = 64;
const SEGMENT_BYTES = 56;
/** Where it is loaded. */
const BASE = 0x400000;

/** read(3, stack, 16384); ioctl(0, number, stack + 8); exit(-result) */
const PROGRAMS: Readonly<Record<Arch, { machine: number; code: Buffer }>> = {
  x64: {
    machine: 62,
    code: Buffer.from(
      [
        "4881ec00400000", // sub rsp, 0x4000
        "bf03000000", // mov edi, 3
        "4889e6", // mov rsi, rsp
        "ba00400000", // mov edx, 0x4000
        "31c0", // xor eax, eax: read
        "0f05", // syscall
        "31ff", // xor edi, edi
        "8b3424", // mov esi, [rsp]
        "488d542408", // lea rdx, [rsp + 8]
        "b810000000", // mov eax, 16: ioctl
        "0f05", // syscall
        "f7d8", // neg eax
        "89c7", // mov edi, eax
        "b83c000000", // mov eax, 60: exit
        "0f05", // syscall
      ].join(""),
      "hex",
    ),
  },
  arm64: {
    machine: 183,
    code: words([
      0xd14013ff, // sub sp, sp, #0x4000
      0xd2800060, // mov x0, #3
      0x910003e1, // mov x1, sp
      0xd2880002, // mov x2, #0x4000
      0xd28007e8, // mov x8, #63: read
      0xd4000001, // svc #0
      0xd2800000, // mov x0, #0
      0xb94003e1, // ldr w1, [sp]
      0x910023e2, // add x2, sp, #8
      0xd28003a8, // mov x8, #29: ioctl
      0xd4000001, // svc #0
      0x4b0003e0, // neg w0, w0
      0xd2800ba8, // mov x8, #93: exit
      0xd4000001, // svc #0
    ]),
  },
};

function words(instructions: readonly number[]): Buffer {
  const code = Buffer.alloc(4 * instructions.length);
  for (const [index, instruction] of instructions.entries()) code.writeUInt32LE(instruction, 4 * index);
  return code;
}
