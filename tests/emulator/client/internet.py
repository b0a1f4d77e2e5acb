"""A made-up internet: runs a program where every address is this machine, and notes who is called.

    unshare -rmn python internet.py REPORT COMMAND…

In the network namespace there is loopback alone, and all addresses are routed to it. Each name
resolves, and the metadata service of an EC2 instance, a Studio app or a container hands out
credentials. REPORT is then a JSON list of what the program asked the world outside for:
``["name sts.amazonaws.com", "tcp 198.18.0.1:443 sts.amazonaws.com", …]``. Nothing the kernel sends
to another address than loopback is missed, whoever asks for it.
"""

from __future__ import annotations

import ctypes
import http.server
import ipaddress
import itertools
import json
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

LAST = "203.0.113.1"
CREDENTIALS = {
    "Code": "Success",
    "Type": "AWS-HMAC",
    "AccessKeyId": "AKIAIOSFODNN7METADATA",
    "SecretAccessKey": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "Token": "token",
    "Expiration": "2099-01-01T00:00:00Z",
}
SETUP = """
ip link set lo up
ip route add local default dev lo
ip -6 route add local default dev lo
mount --bind {folder}/resolv.conf /etc/resolv.conf
mount --bind {folder}/nsswitch.conf /etc/nsswitch.conf
"""
_names: dict[str, str] = {}  # address → the name that it was given for
seen: set[str] = set()


def set_up() -> None:
    """Route all to loopback. Names are asked of one server, with no daemon in between."""
    folder = Path(tempfile.mkdtemp())
    (folder / "resolv.conf").write_text("nameserver 198.18.255.53\n")
    (folder / "nsswitch.conf").write_text("hosts: files dns\n")
    # IPv6, and the file that says how names are resolved, are not everywhere.
    subprocess.run(["sh", "-c", SETUP.format(folder=folder)], stderr=subprocess.DEVNULL)


def watch_packets() -> None:
    """Note each packet that begins something: TCP's SYN, and datagrams."""
    packets = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))  # ETH_P_ALL
    # The emulator's own traffic would fill the buffer: what goes to 127.0.0.0/8 stays out, as a
    # BPF program says (linux/filter.h): load the byte at 16; if it is 127 take nothing, else all.
    program = b"".join(
        struct.pack("HBBI", *line)
        for line in ((0x30, 0, 0, 16), (0x15, 0, 1, 127), (0x06, 0, 0, 0), (0x06, 0, 0, 65535))
    )
    buffer = ctypes.create_string_buffer(program)
    so_attach_filter = 26
    filter_ = struct.pack("HxxxxxxP", 4, ctypes.addressof(buffer))
    packets.setsockopt(socket.SOL_SOCKET, so_attach_filter, filter_)

    def watch() -> None:
        while True:
            packet = packets.recv(256)
            if packet[0] >> 4 == 4:
                protocol, start, to = packet[9], (packet[0] & 15) * 4, packet[16:20]
            else:
                protocol, start, to = packet[6], 40, packet[24:40]
            address = ipaddress.ip_address(to)
            source, port = struct.unpack_from("!HH", packet, start)
            if address.is_loopback or address.is_multicast or 53 in (source, port):
                continue
            if protocol == 6 and packet[start + 13] & 0x12 == 0x02:  # SYN without ACK
                seen.add(f"tcp {address}:{port} {_names.get(str(address), '')}".strip())
            elif protocol == 17:
                seen.add(f"udp {address}:{port} {_names.get(str(address), '')}".strip())

    threading.Thread(target=watch, daemon=True).start()


def answer_names() -> None:
    """A name server: each name has an IPv4 address of its own."""
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("0.0.0.0", 53))
    addresses = (str(ipaddress.ip_address("198.18.0.0") + n) for n in itertools.count(1))

    def serve() -> None:
        while True:
            query, client = server.recvfrom(512)
            labels, at = [], 12
            while query[at]:
                labels.append(query[at + 1 : at + 1 + query[at]].decode())
                at += query[at] + 1
            name, kind = ".".join(labels), struct.unpack_from("!H", query, at + 1)[0]
            seen.add(f"name {name}")
            question, answer = query[12 : at + 5], b""
            if kind == 1:  # A
                address = next((one for one, of in _names.items() if of == name), None)
                if address is None:
                    address = next(addresses)
                    _names[address] = name
                answer = b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 60, 4) + socket.inet_aton(address)
            counts = struct.pack("!HHHHH", 0x8180, 1, 1 if answer else 0, 0, 0)
            server.sendto(query[:2] + counts + question + answer, client)

    threading.Thread(target=serve, daemon=True).start()


class _Metadata(http.server.BaseHTTPRequestHandler):
    """Instance metadata, and the credentials of a container: they are had for the asking.

    https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html
    """

    def do_GET(self) -> None:
        listing = self.path.endswith("/security-credentials/")
        body = b"role" if listing else json.dumps(CREDENTIALS).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_PUT = do_GET  # the token

    def log_message(self, *_) -> None:
        pass


def main(report: str, *command: str) -> int:
    set_up()
    watch_packets()
    answer_names()
    web = http.server.ThreadingHTTPServer(("0.0.0.0", 80), _Metadata)
    threading.Thread(target=web.serve_forever, daemon=True).start()
    code = subprocess.run(command, check=False).returncode
    # When this one has been seen, the watcher lives, and has seen all that came before.
    last = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    while f"udp {LAST}:9" not in seen:
        last.sendto(b"last", (LAST, 9))
        time.sleep(0.01)
    Path(report).write_text(json.dumps(sorted(seen - {f"udp {LAST}:9"})))
    return code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
