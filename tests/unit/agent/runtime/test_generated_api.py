from __future__ import annotations

from pathlib import Path

from roadstead.agent.runtime.api import generate


def test_the_committed_files_are_what_the_proto_files_generate(tmp_path: Path) -> None:
    generate.generate(tmp_path)
    generated = {path.name: path.read_bytes() for path in tmp_path.rglob("*_pb2.py*")}
    committed = {path.name: path.read_bytes() for path in generate.HERE.glob("*_pb2.py*")}
    assert generated == committed, "run python -m roadstead.agent.runtime.api.generate"
