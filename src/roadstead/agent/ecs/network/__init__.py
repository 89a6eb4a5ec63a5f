"""The network of awsvpc tasks: a namespace each, the interface that arrives by its MAC, and the path to credentials and metadata."""

from roadstead.agent.ecs.network.interfaces import InterfaceTimeout, InterfaceWatch
from roadstead.agent.ecs.network.plan import NetworkPlan, plan_network
from roadstead.agent.ecs.network.task import TaskNetwork, add_interface, prepare, release

__all__ = [
    "InterfaceTimeout",
    "InterfaceWatch",
    "NetworkPlan",
    "TaskNetwork",
    "add_interface",
    "plan_network",
    "prepare",
    "release",
]
