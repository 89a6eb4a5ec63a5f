"""Small helpers over Linux network namespaces that both roles of the agent need."""

from roadstead.agent.kernelnet.namespaces import (
    create_namespace,
    delete_namespace,
    in_namespace,
    namespace_exists,
    run_in_namespace,
)
from roadstead.agent.kernelnet.netlink import add_address, link_index, open_route, tolerating

__all__ = [
    "add_address",
    "create_namespace",
    "delete_namespace",
    "in_namespace",
    "link_index",
    "namespace_exists",
    "open_route",
    "run_in_namespace",
    "tolerating",
]
