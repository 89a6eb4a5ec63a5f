"""The envelope of the agent links: `{"type": NAME, "message": {…}}` as a JSON text frame, NAME being the message's own name."""

from __future__ import annotations

import msgspec


class MalformedMessage(ValueError):
    """A frame that is no envelope, or whose message does not have the shape of its type."""


class UnknownMessage(ValueError):
    """An envelope of a type that this end does not know; `name` is that type."""

    def __init__(self, name: str) -> None:
        super().__init__(f"unknown message type {name!r}")
        self.name = name


class _Envelope(msgspec.Struct, frozen=True):
    type: str
    message: msgspec.Raw = msgspec.Raw(b"{}")


class EnvelopeCodec:
    """Encodes and decodes the messages of one link; members that a message's struct lacks are ignored."""

    def __init__(self, *types: type[msgspec.Struct]) -> None:
        self._decoders = {kind.__name__: msgspec.json.Decoder(kind) for kind in types}
        self._envelope = msgspec.json.Decoder(_Envelope)
        self._encoder = msgspec.json.Encoder()

    def encode(self, message: msgspec.Struct) -> str:
        """The text frame of a message."""
        body = msgspec.Raw(self._encoder.encode(message))
        return self._encoder.encode(_Envelope(type=type(message).__name__, message=body)).decode()

    def decode(self, frame: str | bytes) -> msgspec.Struct:
        """The message in a frame; raises MalformedMessage or UnknownMessage."""
        try:
            envelope = self._envelope.decode(frame)
        except msgspec.MsgspecError as error:
            raise MalformedMessage(str(error)) from error
        decoder = self._decoders.get(envelope.type)
        if decoder is None:
            raise UnknownMessage(envelope.type)
        try:
            return decoder.decode(envelope.message)
        except msgspec.MsgspecError as error:
            raise MalformedMessage(f"{envelope.type}: {error}") from error
