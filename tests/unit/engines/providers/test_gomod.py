from __future__ import annotations

import json
from pathlib import Path

from roadstead.engines.providers.gomod import GoMod, Requirement, compose_gomod, parse_downloads, parse_gomod
from roadstead.engines.recipe import GoProvider, Replacement

KUBERNETES = GoProvider(
    outputs={"kubernetes": "."},
    source="kubernetes",
    modules={"k8s.io/kubernetes": "v1.36.3"},
    replacements=(Replacement(module="k8s.io/kubernetes", prefix="k8s.io/", at="v0.0.0", to="v0.36.3"),),
    copy_requires=("k8s.io/kubernetes",),
    godebug={"default": "go1.26"},
)
THEIRS = GoMod(
    go="1.26.0",
    require=(
        Requirement("k8s.io/api", "v0.0.0"),
        Requirement("k8s.io/kubelet", "v0.0.0"),
        Requirement("k8s.io/klog/v2", "v2.130.1"),
        Requirement("github.com/spf13/cobra", "v1.9.1", indirect=True),
    ),
)


def test_kubernetes_is_a_recipe_and_no_code() -> None:
    text = compose_gomod(KUBERNETES, {"k8s.io/kubernetes": THEIRS}, {}, toolchain_version="1.26.8")
    assert text.splitlines() == [
        "module roadstead.invalid/engine",
        "",
        "go 1.26.0",
        "",
        "godebug default=go1.26",
        "require k8s.io/kubernetes v1.36.3",
        "require k8s.io/klog/v2 v2.130.1",
        "require github.com/spf13/cobra v1.9.1",
        "replace k8s.io/api => k8s.io/api v0.36.3",
        "replace k8s.io/kubelet => k8s.io/kubelet v0.36.3",
    ]


def test_a_patched_module_is_replaced_by_its_copy() -> None:
    provider = GoProvider(outputs={"x": "m"}, modules={"m": "v1.0.0"})
    text = compose_gomod(provider, {"m": GoMod(go="1.21")}, {"m": Path("/copy")}, toolchain_version="1.26.8")
    assert text.endswith("require m v1.0.0\nreplace m => /copy\n")


def test_the_highest_language_version_holds() -> None:
    provider = GoProvider(outputs={"x": "m"}, modules={"m": "v1.0.0", "n": "v1.0.0"})
    modules = {"m": GoMod(go="1.9"), "n": GoMod(go="1.21.3")}
    assert "\ngo 1.21.3\n" in compose_gomod(provider, modules, {}, toolchain_version="1.26.8")
    assert "\ngo 1.26.8\n" in compose_gomod(GoProvider(outputs={}), {}, {}, toolchain_version="1.26.8")


def test_what_go_writes_is_read() -> None:
    one = json.dumps({"Path": "a", "Version": "v1", "Dir": "/a", "Sum": "h1:a", "Origin": {"VCS": "git"}}, indent="\t")
    two = json.dumps({"Path": "b", "Version": "v2", "GoMod": "/b.mod"}, indent="\t")
    first, second = parse_downloads(f"{one}\n{two}\n")
    assert (first.path, first.directory, first.sum) == ("a", "/a", "h1:a")
    assert (second.path, second.gomod) == ("b", "/b.mod")
    mod = '{"Module": {"Path": "a"}, "Go": "1.26", "Require": [{"Path": "b", "Version": "v2", "Indirect": true}]}'
    assert parse_gomod(mod) == GoMod("1.26", (Requirement("b", "v2", indirect=True),))
