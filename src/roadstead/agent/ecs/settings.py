"""What an ecs role is told when it starts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from roadstead.kernel.settings import CREDENTIALS_ADDRESS, RESOLVER_ADDRESS


@dataclass(frozen=True, slots=True)
class EcsSettings:
    """One container instance.

    `run_dir` is on a tmpfs: what is there is gone after a boot, as namespaces are. `namespace` is the file of the network namespace
    that tasks get their interfaces from (None: the agent's own). `cpu_units` and `memory_mib` are what the instance offers.
    `task_endpoint` becomes AWS_ENDPOINT_URL of containers that don't set it.
    """

    data_dir: Path
    run_dir: Path
    cluster: str
    region: str
    cpu_units: int
    memory_mib: int
    task_endpoint: str
    namespace: Path | None = None
    host_id: str = ""
    availability_zone: str = ""
    attributes: tuple[tuple[str, str], ...] = ()
    fargate_runtime: str = "gvisor"
    nameserver: str = RESOLVER_ADDRESS
    interface_timeout: float = 120.0
    """Seconds that a task's interface may take to appear."""
    finished_retention: float = 3 * 3600.0
    """Seconds for which a stopped task is remembered, so that a late message does not start it again."""
    image_cleanup_interval: float = 1800.0
    """Seconds between two looks for images that no task has used for `image_unused_for` seconds, which are removed; as Amazon's agent does."""
    image_unused_for: float = 3600.0

    @property
    def records(self) -> Path:
        """Where the checkpoint of each task lies."""
        return self.data_dir / "tasks"

    @property
    def files(self) -> Path:
        """Where files of tasks lie that are mounted into their containers, and their own volumes."""
        return self.data_dir / "files"

    @property
    def output(self) -> Path:
        """Where containers' output is spooled."""
        return self.data_dir / "output"

    @property
    def namespaces(self) -> Path:
        """Where the files of the tasks' network namespaces lie."""
        return self.run_dir / "tasks"

    @property
    def metadata_address(self) -> tuple[str, int]:
        """Where the metadata and credentials server listens, inside the agent's namespace."""
        return CREDENTIALS_ADDRESS, 80
