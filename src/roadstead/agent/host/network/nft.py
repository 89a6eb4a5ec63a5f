"""nftables through libnftables (Debian's nftables package brings it): no process is started for a rule."""

from __future__ import annotations

import ctypes
from typing import cast

import msgspec

_JSON_OUTPUT = 1 << 4
_LIBRARY = "libnftables.so.1"


class NftError(OSError):
    """nftables refused a command, or isn't installed; the message is libnftables' own."""


class _Named(msgspec.Struct, frozen=True):
    name: str
    family: str
    table: str = ""


class _Listed(msgspec.Struct, frozen=True):
    table: _Named | None = None
    chain: _Named | None = None


class _Listing(msgspec.Struct, frozen=True):
    nftables: tuple[_Listed, ...]


class Nft:
    """Bound to the network namespace of the thread that makes it, and used by that thread only."""

    def __init__(self) -> None:
        if not self.installed():
            raise NftError(f"{_LIBRARY} is missing: install nftables")
        self._library = ctypes.CDLL(_LIBRARY)
        library = self._library
        library.nft_ctx_new.restype = ctypes.c_void_p
        library.nft_ctx_free.argtypes = [ctypes.c_void_p]
        library.nft_ctx_output_set_flags.argtypes = [ctypes.c_void_p, ctypes.c_uint]
        for function in (library.nft_ctx_buffer_output, library.nft_ctx_buffer_error):
            function.argtypes = [ctypes.c_void_p]
        for function in (library.nft_ctx_get_output_buffer, library.nft_ctx_get_error_buffer):
            function.argtypes = [ctypes.c_void_p]
            function.restype = ctypes.c_char_p
        library.nft_run_cmd_from_buffer.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
        self._context = cast("int | None", library.nft_ctx_new(0))
        if self._context is None:
            raise NftError("libnftables gave no context")
        library.nft_ctx_buffer_output(self._context)
        library.nft_ctx_buffer_error(self._context)
        library.nft_ctx_output_set_flags(self._context, _JSON_OUTPUT)

    @staticmethod
    def installed() -> bool:
        """Whether libnftables can be loaded here."""
        try:
            ctypes.CDLL(_LIBRARY)
        except OSError:
            return False
        return True

    def close(self) -> None:
        """Free the context."""
        if self._context is not None:
            self._library.nft_ctx_free(self._context)
            self._context = None

    def run(self, commands: str) -> bytes:
        """Run commands as one transaction; gives the output as JSON. Raises NftError, and then nothing was changed."""
        failed = cast("int", self._library.nft_run_cmd_from_buffer(self._context, commands.encode()))
        output = cast("bytes", self._library.nft_ctx_get_output_buffer(self._context))
        message = cast("bytes", self._library.nft_ctx_get_error_buffer(self._context))
        if failed:
            raise NftError(message.decode(errors="replace").strip())
        return output

    def tables(self) -> tuple[tuple[str, str], ...]:
        """Family and name of every table."""
        listed = self._list("list tables")
        return tuple((entry.table.family, entry.table.name) for entry in listed if entry.table is not None)

    def chains(self, family: str, table: str) -> tuple[str, ...]:
        """The chains of a table, none when the table is missing."""
        listed = (entry.chain for entry in self._list("list chains"))
        return tuple(
            chain.name for chain in listed if chain is not None and (chain.family, chain.table) == (family, table)
        )

    def _list(self, command: str) -> tuple[_Listed, ...]:
        return msgspec.json.decode(self.run(command), type=_Listing).nftables
