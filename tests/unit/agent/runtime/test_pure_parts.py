from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadstead.agent.runtime import (
    ContainerSpec,
    EnginePaths,
    Image,
    ImageConfig,
    Isolation,
    Output,
    RuntimeSettings,
    TaskSpec,
    capabilities,
    config,
    manifests,
    seccomp,
)
from roadstead.agent.runtime.accounts import Accounts, Identity, UnknownUser, read_accounts
from roadstead.agent.runtime.cgroups import cpu_quota_us, parse_counters
from roadstead.agent.runtime.process import NoCommand, combine
from roadstead.agent.runtime.processes import explain
from roadstead.agent.runtime.reference import InvalidReference, Reference
from roadstead.agent.runtime.resolve import RegistryAnswer, error_text, judge
from roadstead.agent.runtime.spec import (
    CONTAINER_TYPE,
    SANDBOX_ID,
    InitUnavailable,
    Place,
    SysctlsUnavailable,
    oci_spec,
    sandbox_spec,
)

IMAGE = Image(
    "web", "sha256:1", "sha256:2", "sha256:3", ImageConfig(("/entry",), ("a", "b"), {"A": "image"}, "web", "/srv"), 1
)
SPEC = ContainerSpec("c", "t", IMAGE, Output(Path("/o"), Path("/e")))
TASK = TaskSpec("t", network_namespace="/run/netns/t", hostname="ip-10-0-0-5")
PLACE = Place(cgroup="/roadstead-abc/t/c")


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("web", "docker.io/library/web:latest"),
        ("team/web:1.0", "docker.io/team/web:1.0"),
        ("localhost:4566/web", "localhost:4566/web:latest"),
        ("localhost/web:x", "localhost/web:x"),
        ("0.dkr.ecr.us-east-1.localhost:4566/a/b:c", "0.dkr.ecr.us-east-1.localhost:4566/a/b:c"),
        ("localhost:4566/web@sha256:" + "a" * 64, "localhost:4566/web@sha256:" + "a" * 64),
        ("localhost:4566/web:v1@sha256:" + "a" * 64, "localhost:4566/web:v1@sha256:" + "a" * 64),
    ],
)
def test_references_are_completed_as_docker_does(text: str, whole: str) -> None:
    assert str(Reference.parse(text)) == whole


@pytest.mark.parametrize(
    "text", ["", "Web", "a//b", "web:", "web@", "web@sha256:abc", "localhost:4566/", "-a", "a b", "a/b:c:d", "ü"]
)
def test_what_is_no_reference_is_refused(text: str) -> None:
    with pytest.raises(InvalidReference):
        Reference.parse(text)


@given(st.text())
def test_parsing_a_reference_never_fails_in_another_way(text: str) -> None:
    try:
        reference = Reference.parse(text)
    except InvalidReference:
        return
    assert Reference.parse(str(reference)) == reference


def test_commands_combine_by_dockers_rules() -> None:
    def args(**changes: object) -> tuple[str, ...]:
        return combine(dataclasses.replace(SPEC, **changes)).args  # pyright: ignore[reportArgumentType]

    assert args() == ("/entry", "a", "b")
    assert args(command=("x",)) == ("/entry", "x")
    assert args(entrypoint=("/own",)) == ("/own",)
    assert args(entrypoint=("/own",), command=("x",)) == ("/own", "x")
    assert args(entrypoint=(), command=()) == ("/entry", "a", "b")
    with pytest.raises(NoCommand):
        combine(dataclasses.replace(SPEC, image=dataclasses.replace(IMAGE, config=ImageConfig())))
    process = combine(dataclasses.replace(SPEC, environment={"A": "task", "B": "2"}))
    assert dict(process.environment)["A"] == "task"
    assert (process.user, process.working_directory) == ("web", "/srv")


def test_a_document_for_runc() -> None:
    spec = dataclasses.replace(SPEC, cpu_units=256, memory_mib=64, memory_reservation_mib=32, pids=10)
    document = oci_spec(spec, TASK, combine(spec), Identity(1, 2, (2, 3), "/home"), PLACE)
    again = json.loads(json.dumps(document))
    assert again["process"]["user"] == {"uid": 1, "gid": 2, "additionalGids": [2, 3]}
    assert "HOME=/home" in again["process"]["env"]
    assert "HOSTNAME=ip-10-0-0-5" in again["process"]["env"]
    assert again["linux"]["resources"]["cpu"] == {"shares": 256}
    assert again["linux"]["resources"]["memory"] == {"limit": 64 << 20, "reservation": 32 << 20}
    assert {"type": "network", "path": "/run/netns/t"} in again["linux"]["namespaces"]
    assert again["annotations"] == {}
    assert again["linux"]["seccomp"]["defaultAction"] == "SCMP_ACT_ALLOW"


def test_documents_for_gvisor_say_who_is_the_sandbox() -> None:
    task = dataclasses.replace(TASK, isolation=Isolation.GVISOR, network_namespace=None)
    joined = oci_spec(SPEC, task, combine(SPEC), Identity(), dataclasses.replace(PLACE, sandbox="s"))
    assert joined["annotations"] == {CONTAINER_TYPE: "container", SANDBOX_ID: "s"}
    assert sandbox_spec("s", task, dataclasses.replace(PLACE, sandbox="s"))["annotations"] == {
        CONTAINER_TYPE: "sandbox",
        SANDBOX_ID: "s",
    }
    linux = joined["linux"]
    assert isinstance(linux, dict)
    assert "seccomp" not in linux
    assert {"type": "network"} in linux["namespaces"], "never the host's network"


def test_kernel_parameters_are_runcs_alone() -> None:
    """gVisor would leave them out and say so nowhere."""
    spec = dataclasses.replace(SPEC, sysctls={"net.core.somaxconn": "99"})
    linux = oci_spec(spec, TASK, combine(spec), Identity(), PLACE)["linux"]
    assert isinstance(linux, dict)
    assert linux["sysctl"] == {"net.core.somaxconn": "99"}
    sandboxed = dataclasses.replace(TASK, isolation=Isolation.GVISOR)
    with pytest.raises(SysctlsUnavailable, match=r"net\.core\.somaxconn"):
        oci_spec(spec, sandboxed, combine(spec), Identity(), dataclasses.replace(PLACE, sandbox="s"))


def test_privileged_and_init() -> None:
    privileged = oci_spec(dataclasses.replace(SPEC, privileged=True), TASK, combine(SPEC), Identity(), PLACE)
    linux = privileged["linux"]
    assert isinstance(linux, dict)
    assert (linux["maskedPaths"], linux["readonlyPaths"], "seccomp" in linux) == ([], [], False)
    with pytest.raises(InitUnavailable):
        oci_spec(dataclasses.replace(SPEC, init=True), TASK, combine(SPEC), Identity(), PLACE)
    started = oci_spec(
        dataclasses.replace(SPEC, init=True),
        TASK,
        combine(SPEC),
        Identity(),
        dataclasses.replace(PLACE, init="/host/init"),
    )
    process = started["process"]
    assert isinstance(process, dict)
    assert process["args"] == ["/sbin/docker-init", "--", "/entry", "a", "b"]


def test_oom_score_never_goes_below_the_agents_own() -> None:
    document = oci_spec(SPEC, TASK, combine(SPEC), Identity(), dataclasses.replace(PLACE, oom_score=300))
    process = document["process"]
    assert isinstance(process, dict)
    assert process["oomScoreAdj"] == 300


def test_capabilities() -> None:
    assert "CAP_CHOWN" in capabilities.effective((), (), privileged=False)
    assert capabilities.effective(("NET_ADMIN",), ("ALL",), privileged=False) == ("CAP_NET_ADMIN",)
    assert "CAP_KILL" not in capabilities.effective(("ALL",), ("cap_kill",), privileged=False)
    assert len(capabilities.effective((), (), privileged=True)) == len(capabilities.ALL) == 41
    with pytest.raises(capabilities.UnknownCapability, match="FLY"):
        capabilities.effective(("FLY",), (), privileged=False)


def test_seccomp_opens_what_a_capability_stands_for() -> None:
    def denied(*caps: str) -> set[str]:
        rules = seccomp.profile(caps, "amd64")["syscalls"]
        assert isinstance(rules, list)
        return {name for rule in rules for name in rule["names"]}

    assert {"mount", "keyctl", "clone3", "bpf", "clone"} <= denied()
    assert {"mount", "clone3"} & denied("CAP_SYS_ADMIN") == set()
    assert "keyctl" in denied("CAP_SYS_ADMIN")


PASSWD = "root:x:0:0:root:/root:/bin/sh\nbroken\nweb:x:1000:1001::/www:/bin/sh\n"
GROUP = "root:x:0:\nweb:x:1001:\nextra:x:2000:web,other\n"


@pytest.mark.parametrize(
    ("user", "identity"),
    [
        ("", Identity(0, 0, (), "/root")),
        ("web", Identity(1000, 1001, (2000,), "/www")),
        ("1000", Identity(1000, 1001, (2000,), "/www")),
        ("web:extra", Identity(1000, 2000, (), "/www")),
        ("77:88", Identity(77, 88, (), "/")),
        ("77", Identity(77, 0, (), "/")),
    ],
)
def test_users(user: str, identity: Identity) -> None:
    assert Accounts.parse(PASSWD, GROUP).resolve(user) == identity


@pytest.mark.parametrize("user", ["nobody", "web:none", "4294967296"])
def test_unknown_users(user: str) -> None:
    with pytest.raises(UnknownUser):
        Accounts.parse(PASSWD, GROUP).resolve(user)


def test_accounts_come_from_the_topmost_layer_and_never_from_outside(tmp_path: Path) -> None:
    for name in ("upper", "middle", "lower"):
        (tmp_path / name / "etc").mkdir(parents=True)
    (tmp_path / "lower" / "etc" / "passwd").write_text(PASSWD)
    (tmp_path / "middle" / "etc" / "group").write_text(GROUP)
    layers = [tmp_path / "upper", tmp_path / "middle", tmp_path / "lower"]
    assert read_accounts(layers).resolve("web") == Identity(1000, 1001, (2000,), "/www")
    (tmp_path / "secret").write_text("spy:x:5:5::/:/bin/sh\n")
    (tmp_path / "upper" / "etc" / "passwd").symlink_to(tmp_path / "secret")
    with pytest.raises(UnknownUser):
        read_accounts(layers).resolve("spy")


def test_manifests() -> None:
    index = {
        "manifests": [
            {"digest": "sha256:a", "platform": {"os": "linux", "architecture": "arm64"}},
            {"digest": "sha256:b", "platform": {"os": "linux", "architecture": "amd64"}},
        ]
    }
    assert manifests.choose(index, "amd64") == "sha256:b"
    assert manifests.choose({"layers": []}, "amd64") is None
    with pytest.raises(manifests.NoMatchingPlatform):
        manifests.choose(index, "s390x")
    assert manifests.chain_id({"rootfs": {"diff_ids": ["sha256:x"]}}) == "sha256:x"
    assert manifests.chain_id({}) == ""
    assert manifests.image_config({"config": {"Env": ["A=b=c"], "Cmd": None, "Volumes": {"/v": {}}}}) == ImageConfig(
        environment={"A": "b=c"}, volumes=("/v",)
    )
    with pytest.raises(manifests.MalformedImage):
        manifests.document(b"[]")


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (200, None),
        (401, "PullDenied"),
        (403, "PullDenied"),
        (404, "ImageNotFound"),
        (429, "RegistryUnreachable"),
        (502, "RegistryUnreachable"),
        (418, "CannotPullContainer"),
    ],
)
def test_answers_of_the_registry(status: int, kind: str | None) -> None:
    error = judge(
        Reference.parse("web"), RegistryAnswer(status, "sha256:1", b'{"errors":[{"code":"X","message":"because"}]}')
    )
    assert (type(error).__name__ if error else None) == kind
    if error:
        assert str(error).startswith("CannotPullContainerError: ")
        assert "because" in str(error)


@given(st.binary())
def test_error_texts_are_read_from_anything(body: bytes) -> None:
    assert isinstance(error_text(body), str)


def test_a_missing_program_reads_the_same_with_both_engines() -> None:
    gvisor = 'OCI runtime start failed: starting container: starting root container: searching for executable "nope", cwd: "/"'
    assert 'exec: "nope": executable file not found in $PATH' in explain(gvisor)


def test_quota_and_counters() -> None:
    assert [cpu_quota_us(units) for units in (1, 256, 1024, 4096)] == [1000, 25_000, 100_000, 400_000]
    assert parse_counters("oom_kill_disable 0\nunder_oom 0\noom_kill 2\njunk\n")["oom_kill"] == 2


def test_configuration_names_only_our_registry(tmp_path: Path) -> None:
    import tomllib

    engines = EnginePaths(
        Path("/e/containerd"), Path("/e/shim"), Path("/e/runc"), Path("/e/runsc"), Path("/e/runsc-shim")
    )
    settings = RuntimeSettings(tmp_path / 'd"ata', tmp_path / "s", engines, "http://127.0.0.1:4566")
    hosts = tomllib.loads(config.default_hosts_toml(settings.registry))
    assert hosts["server"] == "http://127.0.0.1:4566"
    assert list(hosts["host"]) == ["http://127.0.0.1:4566"]
    several = tomllib.loads(config.default_hosts_toml(settings.registry, ["http://127.0.0.1:4567"]))
    assert list(several["host"]) == ["http://127.0.0.1:4566", "http://127.0.0.1:4567"]
    assert several["host"]["http://127.0.0.1:4567"]["capabilities"] == ["pull", "resolve"]
    document = tomllib.loads(config.containerd_toml(settings))
    assert document["root"] == str(tmp_path / 'd"ata' / "root")
    assert tomllib.loads(config.runsc_toml(settings))["runsc_config"]["network"] == "sandbox"
    config.write(settings)
    assert settings.runsc_shim_wrapper.stat().st_mode & 0o777 == 0o700
    with pytest.raises(ValueError, match="longer than a socket's path"):
        RuntimeSettings(tmp_path, tmp_path / ("x" * 100), engines, "http://127.0.0.1:4566")
