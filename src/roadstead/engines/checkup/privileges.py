"""Root, its capabilities and its limits."""

from __future__ import annotations

import os
import resource

from roadstead.engines.checkup.finding import Finding, Verdict
from roadstead.engines.host import HostFacts

_NEEDED = ("CAP_SYS_ADMIN", "CAP_NET_ADMIN", "CAP_NET_RAW", "CAP_SYS_CHROOT", "CAP_MKNOD", "CAP_KILL", "CAP_CHOWN")
_FILES_COMFORTABLE = 65536
_FILES_LOWEST = 4096


def examine_privileges(host: HostFacts) -> list[Finding]:
    """The findings of this process."""
    return [_user(os.geteuid()), *capabilities(host), open_files(resource.getrlimit(resource.RLIMIT_NOFILE)[1])]


def _user(uid: int) -> Finding:
    if uid == 0:
        return Finding("user", Verdict.OK, "root")
    return Finding("user", Verdict.PROBLEM, f"user {uid}; namespaces, mounts and cgroups need root", "run it with sudo")


def capabilities(host: HostFacts) -> list[Finding]:
    """Judge the effective capabilities."""
    missing = [name for name in _NEEDED if name not in host.capabilities]
    if missing:
        advice = "give the container or machine these capabilities, or run outside of it"
        return [Finding("capabilities", Verdict.PROBLEM, f"lacks {', '.join(missing)}", advice)]
    if "CAP_SYS_RESOURCE" not in host.capabilities:
        detail = (
            "lacks CAP_SYS_RESOURCE: engines run without lowering their oom_score_adj, gVisor's shim is built for that"
        )
        return [Finding("capabilities", Verdict.OK, detail)]
    return [Finding("capabilities", Verdict.OK, "all that are needed")]


def open_files(hard_limit: int) -> Finding:
    """Judge the hard limit of open files."""
    if hard_limit == resource.RLIM_INFINITY or hard_limit >= _FILES_COMFORTABLE:
        return Finding("open files", Verdict.OK, "unlimited" if hard_limit < 0 else str(hard_limit))
    verdict = Verdict.WARNING if hard_limit >= _FILES_LOWEST else Verdict.PROBLEM
    advice = f"raise it to {_FILES_COMFORTABLE} (`ulimit -Hn`, or LimitNOFILE= of the service)"
    return Finding("open files", verdict, f"the hard limit is {hard_limit}: enough for some hundred containers", advice)
