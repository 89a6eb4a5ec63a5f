"""Further processes in a running container (exec), and what an engine's refusal means."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from typing import cast

from google.protobuf.empty_pb2 import Empty

from roadstead.agent.runtime.accounts import Identity
from roadstead.agent.runtime.anys import PROCESS, pack_json
from roadstead.agent.runtime.api import tasks_pb2
from roadstead.agent.runtime.client import LONG_CALL, Client
from roadstead.agent.runtime.containers import TASKS, Containers, open_output
from roadstead.agent.runtime.errors import CannotStartContainer, ContainerdError, NotFound, RuntimeFault
from roadstead.agent.runtime.model import ExecSpec
from roadstead.agent.runtime.spec import exec_process

_GVISOR_NO_PROGRAM = re.compile(r'(?:searching for|finding) executable "(?P<program>[^"]*)"')


def explain(message: str) -> str:
    """An engine's error text, with gVisor's words for a missing program put into those that runc and Docker use."""
    if match := _GVISOR_NO_PROGRAM.search(message):
        program = match["program"]
        where = "no such file or directory" if "/" in program else "executable file not found in $PATH"
        return f'OCI runtime create failed: unable to start container process: exec: "{program}": {where}'
    return message.strip()


async def run(
    client: Client, containers: Containers, container_id: str, spec: ExecSpec, identity: Identity | None
) -> int:
    """Create and start the process; its pid. Raises CannotStartContainer, NotFound."""
    document = await containers.document(container_id)
    own = cast("Mapping[str, object]", document["process"])
    process = exec_process(own, spec, identity)
    open_output(spec.output)
    request = tasks_pb2.ExecProcessRequest(
        container_id=container_id,
        stdin=str(spec.stdin or ""),
        stdout=str(spec.output.stdout),
        stderr="" if spec.terminal else str(spec.output.stderr),
        terminal=spec.terminal,
        spec=pack_json(PROCESS, process),
        exec_id=spec.id,
    )
    try:
        await client.call(f"{TASKS}/Exec", request, Empty, LONG_CALL)
        return await containers.start(container_id, spec.id)
    except NotFound:
        raise
    except ContainerdError as error:
        # A shim keeps what did not start, and its files open, until it is deleted.
        with suppress(RuntimeFault):
            await _delete(client, container_id, spec.id)
        raise CannotStartContainer(explain(str(error))) from error


async def finish(client: Client, containers: Containers, container_id: str, exec_id: str, within: float) -> int | None:
    """The exit code, after which the process is deleted; None if it still runs after `within` seconds."""
    end = await containers.wait(container_id, within, exec_id)
    if end is not None:
        await _delete(client, container_id, exec_id)
    return end.exit_code if end is not None else None


async def resize(client: Client, container_id: str, exec_id: str, width: int, height: int) -> None:
    """Set the size of the process's terminal."""
    request = tasks_pb2.ResizePtyRequest(container_id=container_id, exec_id=exec_id, width=width, height=height)
    await client.call(f"{TASKS}/ResizePty", request, Empty)


async def _delete(client: Client, container_id: str, exec_id: str) -> None:
    request = tasks_pb2.DeleteProcessRequest(container_id=container_id, exec_id=exec_id)
    await client.call(f"{TASKS}/DeleteProcess", request, tasks_pb2.DeleteResponse, LONG_CALL)
