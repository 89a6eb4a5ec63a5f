from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.support.waiting import reached

from roadstead.agent.ecs.logs.batch import LogEvent
from roadstead.agent.ecs.logs.bound import enforce_all
from roadstead.agent.ecs.logs.shipper import PutFailed, Shipper
from roadstead.agent.ecs.logs.spool import SpoolFile, load_checkpoint

MIB = 1 << 20


class Sink:
    def __init__(self) -> None:
        self.messages: list[str] = []
        self.away = False

    async def put(self, events: Sequence[LogEvent]) -> None:
        if self.away:
            raise PutFailed("away")
        self.messages += [event.message for event in events]


async def test_lines_are_shipped_as_they_are_written_and_the_rest_at_the_end(tmp_path: Path) -> None:
    sink, shipper = Sink(), Shipper(tmp_path)
    shipper.follow("c", sink.put)
    paths = shipper.paths("c")
    with paths.stdout.open("ab", buffering=0) as out, paths.stderr.open("ab", buffering=0) as err:
        out.write(b"one\ntw")
        await reached(lambda: sink.messages == ["one"])
        out.write(b"o\n")
        err.write(b"oops\nlast")
        await reached(lambda: sorted(sink.messages) == ["one", "oops", "two"])
    await shipper.finish("c")
    assert sink.messages[-1] == "last"
    assert not paths.directory.exists()
    await shipper.close()


async def test_another_agent_goes_on_where_one_ended(tmp_path: Path) -> None:
    first, sink = Shipper(tmp_path), Sink()
    first.follow("c", sink.put)
    out = first.paths("c").stdout
    with out.open("ab", buffering=0) as file:
        file.write(b"one\npart")
        await reached(lambda: load_checkpoint(first.paths("c").checkpoint)["stdout"] == 4)
        await first.close()
        file.write(b"ial\nthree\n")
    second = Shipper(tmp_path)
    assert second.left_behind() == ["c"]
    second.follow("c", sink.put)
    await second.finish("c")
    assert sink.messages == ["one", "partial", "three"]
    await second.close()


async def test_a_sender_that_is_away_is_waited_for(tmp_path: Path) -> None:
    sink, shipper = Sink(), Shipper(tmp_path)
    sink.away = True
    shipper.follow("c", sink.put)
    shipper.paths("c").stdout.write_bytes(b"kept\n")
    finishing = asyncio.create_task(shipper.finish("c"))
    await asyncio.sleep(0.3)
    assert not finishing.done()
    sink.away = False
    await finishing
    assert sink.messages == ["kept"]
    await shipper.close()


def test_the_bound_frees_the_oldest_and_the_reader_sees_a_gap(tmp_path: Path) -> None:
    container = tmp_path / "c"
    container.mkdir()
    content = os.urandom(4 * MIB)
    (container / "stdout").write_bytes(content)
    assert enforce_all(tmp_path, MIB) >= 4
    assert (container / "stdout").stat().st_blocks * 512 <= MIB + 8192
    assert (container / "stdout").stat().st_size == 4 * MIB
    file = SpoolFile(container / "stdout", 100)
    data, _ = file.read(8 * MIB)
    assert len(data) >= MIB
    assert content.endswith(data)
    assert file.dropped == 4 * MIB - len(data) - 100
    assert file.read(10)[0] == b""
    file.close()


async def test_a_container_may_have_a_bound_of_its_own(tmp_path: Path) -> None:
    """The guard keeps it, also while no agent runs; the shipper while what it sends is not taken."""
    sink, shipper = Sink(), Shipper(tmp_path, 64 * MIB)
    sink.away = True
    for name, bound in (("own", MIB), ("other", None)):
        shipper.follow(name, sink.put, bound=bound)
        shipper.paths(name).stdout.write_bytes(b"x" * 1023 + b"\n" + b"y" * (4 * MIB))

    def held(name: str) -> int:
        return shipper.paths(name).stdout.stat().st_blocks * 512

    await reached(lambda: held("own") <= MIB + 8192)
    await shipper.close()
    shipper.paths("own").stdout.write_bytes(os.urandom(4 * MIB))
    assert enforce_all(tmp_path, 64 * MIB) >= 4
    assert held("own") <= MIB + 8192
    assert held("other") >= 4 * MIB


def test_what_was_shipped_is_given_back(tmp_path: Path) -> None:
    path = tmp_path / "stdout"
    path.write_bytes(os.urandom(2 * MIB))
    file = SpoolFile(path, 0)
    file.free(MIB + 5)
    assert path.stat().st_blocks * 512 <= MIB + 8192
    file.offset = MIB + 5
    assert len(file.read(4 * MIB)[0]) == MIB - 5
    file.close()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"stdout": "x"}'])
def test_a_broken_checkpoint_means_from_the_start(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "shipped.json").write_bytes(content)
    assert load_checkpoint(tmp_path / "shipped.json") == {"stdout": 0, "stderr": 0}


async def test_the_end_does_not_wait_until_more_lines_have_gathered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("roadstead.agent.ecs.logs.shipper._GATHER", 3600.0)
    sink, shipper = Sink(), Shipper(tmp_path)
    shipper.follow("c", sink.put)
    with shipper.paths("c").stdout.open("ab", buffering=0) as out:
        out.write(b"one\n")
        await reached(lambda: sink.messages == ["one"])
        out.write(b"two\n")
    async with asyncio.timeout(10):
        await shipper.finish("c")
    assert sink.messages == ["one", "two"]
    await shipper.close()


async def test_a_full_disk_ends_no_shipping(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, offsets: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    sink, shipper = Sink(), Shipper(tmp_path)
    shipper.follow("c", sink.put)
    with shipper.paths("c").stdout.open("ab", buffering=0) as out:
        with monkeypatch.context() as patched:
            patched.setattr("roadstead.agent.ecs.logs.shipper.save_checkpoint", full)
            out.write(b"one\n")
            await reached(lambda: sink.messages == ["one"])
        out.write(b"two\n")
        await reached(lambda: load_checkpoint(shipper.paths("c").checkpoint)["stdout"] == 8)
    await shipper.finish("c")
    assert sink.messages == ["one", "two"]
    await shipper.close()


async def test_what_an_ended_container_left_is_not_offered_for_ever_to_one_who_refuses_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(events: Sequence[LogEvent]) -> None:
        offered.append(len(events))
        raise PutFailed("AccessDeniedException: not authorized", refused=True)

    monkeypatch.setattr("roadstead.agent.ecs.logs.shipper._LAST_WORDS", 0.3)
    offered: list[int] = []
    shipper = Shipper(tmp_path)
    shipper.follow("c", refuse)
    shipper.paths("c").stdout.write_bytes(b"x\n" * 30_000)
    await reached(lambda: bool(offered))
    async with asyncio.timeout(10):
        await shipper.finish("c")
    assert not shipper.paths("c").directory.exists()
    assert shipper.left_behind() == []
    await shipper.close()
