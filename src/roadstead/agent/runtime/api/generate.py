"""Generate the `*_pb2.py` and `*_pb2.pyi` files beside the .proto files: `python -m roadstead.agent.runtime.api.generate [OUT]`.

Needs grpcio-tools, a development dependency. The results are committed, so that running Roadstead needs only protobuf.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
SOURCE_ROOT = HERE.parents[3]


def generate(out: Path) -> None:
    """Write the generated files under `out`, in the package's own directory structure; raises CalledProcessError."""
    protos = sorted(str(path.relative_to(SOURCE_ROOT)) for path in HERE.glob("*.proto"))
    out.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "grpc_tools.protoc", "-I.", f"--python_out={out}", f"--pyi_out={out}", *protos]
    subprocess.run(command, cwd=SOURCE_ROOT, check=True)


if __name__ == "__main__":
    generate(Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else SOURCE_ROOT)
