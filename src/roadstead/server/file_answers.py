"""Files as the bodies of answers, on the connection's own socket and past uvicorn's buffers."""

from __future__ import annotations

import asyncio
import os

from uvicorn.protocols.http.flow_control import FlowControl

from roadstead.registry.http import ClientGone
from roadstead.server.combining import CombiningTransport
from roadstead.server.sending import send_part, send_with_more
from roadstead.server.shortcuts import LentCycle, borrowed


class FileSender:
    """That of one connection; a client that takes nothing for `patience` seconds is cut off."""

    __slots__ = ("_flow", "_loop", "_patience", "_room", "_transport")

    def __init__(self, transport: CombiningTransport, flow: FlowControl, patience: float) -> None:
        self._transport = transport
        self._flow = flow
        self._patience = patience
        self._loop = asyncio.get_running_loop()
        self._room: asyncio.Future[None] | None = None
        """Resolves when the socket takes more of a file, or the client is gone."""

    async def send(self, lent: LentCycle, file: int, offset: int, count: int) -> None:
        """Send `count` bytes of an open file as the body of the answer that has begun, past all buffers. Raises ClientGone."""
        borrowed(lent).expected_content_length -= count
        await self.send_behind(b"", file, offset, count)

    async def send_behind(self, head: bytes, file: int, offset: int, count: int) -> None:
        """Send `head`, then `count` bytes of an open file, past all buffers. Raises ClientGone, EOFError for a file that ends early."""
        # A descriptor of our own: the transport may close the other one meanwhile.
        socket = os.dup(self._transport.get_extra_info("socket").fileno())
        try:
            await self._send_ahead(socket, head, more=count > 0)
            while count:
                if self._transport.is_closing():
                    raise ClientGone
                try:
                    sent = await send_part(socket, file, offset, count)
                except BlockingIOError:
                    await self._wait_for_room(socket)
                    continue
                offset += sent
                count -= sent
                await asyncio.sleep(0)  # others have their turn
        except ConnectionError as error:
            self._transport.abort()
            raise ClientGone from error
        except EOFError:
            self._transport.abort()
            raise
        finally:
            os.close(socket)

    async def _send_ahead(self, socket: int, head: bytes, *, more: bool) -> None:
        """Give the kernel what was written, and `head`, to go out together with what follows if there is `more`: the client wakes up once."""
        if more and not self._flow.write_paused and not self._transport.get_write_buffer_size():
            written = self._transport.take() + head
            head = written[send_with_more(socket, written) :]
            if not head:
                return
        if head:
            self._transport.write(head)
        await self._drain()

    async def _drain(self) -> None:
        """Return when everything that was written is with the kernel."""
        self._transport.flush()
        self._transport.set_write_buffer_limits(high=0)
        try:
            if self._flow.write_paused:
                await self._flow.drain()
        finally:
            if not self._transport.is_closing():
                self._transport.set_write_buffer_limits()

    async def _wait_for_room(self, socket: int) -> None:
        self._room = self._loop.create_future()
        try:
            self._loop.add_writer(socket, self.go_on)
            async with asyncio.timeout(self._patience):
                await self._room
        except TimeoutError as error:
            self._transport.abort()
            raise ClientGone from error
        finally:
            self._loop.remove_writer(socket)
            self._room = None

    def go_on(self) -> None:
        """There is room again, or the client is gone."""
        if self._room is not None and not self._room.done():
            self._room.set_result(None)
