"""Sends UDP packets with whole IPv6 headers of our own making, as no ordinary socket would: source port 0, the receiver's
own address as source, a group as source, every length. Reads from standard input a JSON object with

  sources   list of addresses            ports     list of source ports
  targets   list of {to, port}           payloads  list of payloads in hex; each is sent whole and cut to each of
  lengths   list of lengths              lengths (a longer one is filled with zeros)

and prints how many packets left. Needs CAP_NET_RAW.
"""
import json
import socket
import struct
import sys
import time

UDP = 17


def checksum(data: bytes) -> int:
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF or 0xFFFF


def packet(source: bytes, to: bytes, source_port: int, port: int, payload: bytes) -> bytes:
    length = 8 + len(payload)
    header = struct.pack("!HHHH", source_port, port, length, 0)
    pseudo = source + to + struct.pack("!II", length, UDP)
    header = struct.pack("!HHHH", source_port, port, length, checksum(pseudo + header + payload))
    # Hop limit 255, as BFD's single hop asks.
    return struct.pack("!IHBB", 6 << 28, length, UDP, 255) + source + to + header + payload


def main() -> None:
    plan = json.load(sys.stdin)
    raw = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW)
    sent = 0
    for target in plan["targets"]:
        address, _, zone = target["to"].partition("%")
        to = socket.inet_pton(socket.AF_INET6, address)
        scope = socket.if_nametoindex(zone) if zone else 0
        for source_text in plan["sources"]:
            source = socket.inet_pton(socket.AF_INET6, source_text)
            for source_port in plan["ports"]:
                for hex_payload in plan["payloads"]:
                    whole = bytes.fromhex(hex_payload)
                    for length in [len(whole), *plan["lengths"]]:
                        payload = whole[:length].ljust(length, b"\0")
                        raw.sendto(packet(source, to, source_port, target["port"], payload), (address, 0, 0, scope))
                        sent += 1
                        # A receiver that loses packets for want of buffer is not what is tried here.
                        if sent % 200 == 0:
                            time.sleep(0.005)
    print(sent)


main()
