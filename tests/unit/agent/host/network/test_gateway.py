"""The relay, on loopback."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from roadstead.agent.host.network.gateway import Gateway, Limits, Relay, ServerEndpoint
from roadstead.wire.relayed import Relayed, read_relay_header

RELAY = Relay("h-1", b"key")
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Address = tuple[str, int]


def listener() -> socket.socket:
    return socket.create_server(("127.0.0.1", 0))


async def header_of(reader: asyncio.StreamReader) -> Relayed:
    """What the relay says first."""
    head = await reader.readexactly(16)
    read = read_relay_header(head + await reader.readexactly(int.from_bytes(head[14:])))
    assert read is not None
    return read


def behind_header(handler: Handler) -> Handler:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert (await header_of(reader)).is_by(RELAY.key)
        await handler(reader, writer)

    return handle


@asynccontextmanager
async def relayed(handler: Handler, limits: Limits | None = None) -> AsyncGenerator[Address]:
    server = await asyncio.start_server(behind_header(handler), "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    front = listener()
    try:
        async with asyncio.timeout(10), Gateway(front, ServerEndpoint(host, port), RELAY, "vpc-1", limits):
            yield front.getsockname()
    finally:
        server.close()
        await server.wait_closed()


async def whole_then_answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    request = await reader.read()
    writer.write(request.upper())
    await writer.drain()
    writer.close()


async def test_a_half_closed_request_gets_its_whole_answer() -> None:
    async with relayed(whole_then_answer) as address:
        reader, writer = await asyncio.open_connection(*address)
        writer.write(b"hello")
        writer.write_eof()
        assert await reader.read() == b"HELLO"
        writer.close()


async def test_a_slow_reader_slows_the_sender_down() -> None:
    sent = 0

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        del reader
        try:
            while sent < 1 << 28:
                writer.write(bytes(1 << 16))
                await writer.drain()
                sent += 1 << 16
        except ConnectionError:
            return

    async with relayed(flood) as address:
        reader, writer = await asyncio.open_connection(*address)
        assert await reader.readexactly(1)
        previous = -1
        while previous != sent:
            previous = sent
            await asyncio.sleep(0.1)
        assert sent < 1 << 27
        writer.transport.abort()


async def test_leaving_does_not_wait_for_callers_that_do_not_read() -> None:
    left = asyncio.get_running_loop().create_future()

    async def much(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(bytes(1 << 26))
        left.set_result(writer.transport.get_write_buffer_size)
        await reader.read()
        writer.transport.abort()

    async with relayed(much) as address:
        reader, writer = await asyncio.open_connection(*address, limit=1)
        assert await reader.readexactly(1)
        waiting, previous = await left, -1
        while previous != waiting():
            previous = waiting()
            await asyncio.sleep(0.2)
    writer.transport.abort()


async def test_an_end_that_the_caller_does_not_read_is_idle() -> None:
    async def some(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        del reader
        writer.write(bytes(1 << 16))
        await writer.drain()
        writer.close()

    front = listener()
    front.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
    server = await asyncio.start_server(behind_header(some), "127.0.0.1", 0)
    limits = Limits(connections=1, idle_seconds=0.2)
    async with (
        asyncio.timeout(30),
        Gateway(front, ServerEndpoint(*server.sockets[0].getsockname()), RELAY, "v", limits),
    ):
        with socket.socket() as caller:
            caller.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
            caller.setblocking(False)
            await asyncio.get_running_loop().sock_connect(caller, front.getsockname())
            caller.shutdown(socket.SHUT_WR)
            await has_place(front.getsockname())
    server.close()
    await server.wait_closed()


async def has_place(address: Address) -> None:
    """Wait until a further connection is relayed."""
    while True:
        reader, writer = await asyncio.open_connection(*address)
        try:
            await reader.readexactly(1)
        except ConnectionResetError:
            await asyncio.sleep(0.05)
        else:
            return
        finally:
            writer.close()


async def test_connections_beyond_the_limit_are_reset() -> None:
    async with relayed(whole_then_answer, Limits(connections=1)) as address:
        first_reader, first = await asyncio.open_connection(*address)
        first.write(b"x")
        await first.drain()
        second_reader, second = await asyncio.open_connection(*address)
        with pytest.raises(ConnectionResetError):
            await second_reader.readexactly(1)
        second.close()
        first.write_eof()
        assert await first_reader.read() == b"X"
        first.close()


async def test_an_idle_connection_is_reset() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with relayed(silent, Limits(idle_seconds=0.1)) as address:
        reader, writer = await asyncio.open_connection(*address)
        with pytest.raises(ConnectionResetError):
            await reader.readexactly(1)
        writer.close()


async def test_bytes_put_the_time_out_off() -> None:
    async with relayed(whole_then_answer, Limits(idle_seconds=0.5)) as address:
        reader, writer = await asyncio.open_connection(*address)
        for _ in range(8):
            writer.write(b"x")
            await asyncio.sleep(0.1)
        writer.write_eof()
        assert await reader.read() == b"X" * 8
        writer.close()


async def test_without_a_server_the_caller_is_reset() -> None:
    with listener() as closed:
        port = closed.getsockname()[1]
    front = listener()
    async with asyncio.timeout(5), Gateway(front, ServerEndpoint("127.0.0.1", port), RELAY, "vpc-1"):
        reader, writer = await asyncio.open_connection(*front.getsockname())
        with pytest.raises(ConnectionResetError):
            await reader.readexactly(1)
        writer.close()


async def test_a_reset_by_the_server_reaches_the_caller() -> None:
    async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(1)
        connection = writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        writer.transport.abort()

    async with relayed(reset) as address:
        reader, writer = await asyncio.open_connection(*address)
        writer.write(b"x")
        with pytest.raises(ConnectionResetError):
            await reader.readexactly(1)
        writer.close()


async def test_another_server_answers_while_the_first_is_away() -> None:
    server = await asyncio.start_server(behind_header(whole_then_answer), "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    front = listener()
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # taken, and not listening
        both = ServerEndpoint(*nobody.getsockname(), others=(ServerEndpoint(host, port),))
        async with asyncio.timeout(10), Gateway(front, both, RELAY, "vpc-1"):
            reader, writer = await asyncio.open_connection(*front.getsockname())
            writer.write(b"hello")
            writer.write_eof()
            assert await reader.read() == b"HELLO"
            writer.close()
    server.close()
    await server.wait_closed()


async def test_the_server_is_told_who_calls_from_where() -> None:
    told: asyncio.Future[Relayed] = asyncio.get_running_loop().create_future()

    async def note(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        told.set_result(await header_of(reader))
        writer.close()

    server = await asyncio.start_server(note, "127.0.0.1", 0)
    front = listener()
    endpoint = ServerEndpoint(*server.sockets[0].getsockname())
    async with asyncio.timeout(10), Gateway(front, endpoint, RELAY, "vpc-1"):
        _, writer = await asyncio.open_connection(*front.getsockname())
        found = await told
        assert (found.vpc, found.host, found.is_by(RELAY.key)) == ("vpc-1", "h-1", True)
        assert (found.address, found.port) == writer.get_extra_info("sockname")
        writer.close()
    server.close()
    await server.wait_closed()
