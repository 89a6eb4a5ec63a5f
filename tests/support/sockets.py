"""Small blocking network clients and servers for code that runs inside a namespace."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable

import dnslib

TIMEOUT = 3.0


def ask(server: str, name: str, kind: str = "A", *, tcp: bool = False) -> tuple[str, list[str]]:
    """Ask a DNS server; gives the response code's name and the answers."""
    packet = dnslib.DNSRecord.question(name, kind).send(server, 53, tcp=tcp, timeout=TIMEOUT)
    reply = dnslib.DNSRecord.parse(packet)
    return dnslib.RCODE[reply.header.rcode], [str(record.rdata) for record in reply.rr]


def send_datagrams(server: str, port: int, packets: list[bytes]) -> None:
    """Send packets and look at no answer."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for packet in packets:
            sender.sendto(packet, (server, port))


def exchange(address: str, port: int, request: bytes, *, source: str | None = None, timeout: float = TIMEOUT) -> bytes:
    """Send `request`, close the sending half, read to the end."""
    origin = (source, 0) if source is not None else None
    with socket.create_connection((address, port), timeout=timeout, source_address=origin) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        chunks: list[bytes] = []
        while chunk := connection.recv(1 << 16):
            chunks.append(chunk)
        return b"".join(chunks)


def refused(address: str, port: int, *, source: str | None = None, timeout: float = 0.7) -> bool:
    """Whether a connection can't be made, be it by a refusal or by silence."""
    try:
        exchange(address, port, b"", source=source, timeout=timeout)
    except OSError:
        return True
    return False


class Echo:
    """A TCP server that reads a request to its end and answers `reply(request)`. It listens where it is made."""

    def __init__(self, address: str, port: int, reply: Callable[[bytes], bytes] = bytes) -> None:
        self._reply = reply
        self._listener = socket.create_server((address, port))
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Echo:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(TIMEOUT)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(TIMEOUT)
                request = b""
                try:
                    while chunk := connection.recv(1 << 16):
                        request += chunk
                    connection.sendall(self._reply(request))
                except OSError:
                    continue
