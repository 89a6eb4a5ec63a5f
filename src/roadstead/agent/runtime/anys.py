"""`google.protobuf.Any` as containerd writes it: the type's bare name, without the `type.googleapis.com/` prefix."""

from __future__ import annotations

import json
from collections.abc import Mapping

from google.protobuf.any_pb2 import Any
from google.protobuf.message import Message

SPEC = "types.containerd.io/opencontainers/runtime-spec/1/Spec"
PROCESS = "types.containerd.io/opencontainers/runtime-spec/1/Process"


def pack(message: Message) -> Any:
    """A protobuf message."""
    return Any(type_url=message.DESCRIPTOR.full_name, value=message.SerializeToString())


def pack_json(type_url: str, document: Mapping[str, object]) -> Any:
    """A JSON document of the OCI runtime specification: `SPEC` or `PROCESS`."""
    return Any(type_url=type_url, value=json.dumps(document, separators=(",", ":")).encode())
