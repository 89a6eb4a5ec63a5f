"""The next actions for a task. Level-triggered: ask again after everything that happens, and at `wake_at`."""

from __future__ import annotations

from roadstead.core.taskengine.dependencies import Verdict, resolve
from roadstead.core.taskengine.model import (
    Abandon,
    Action,
    ContainerView,
    Decision,
    Desired,
    Resource,
    Step,
    TaskView,
)
from roadstead.core.taskengine.states import ContainerState

_STOPPED = ContainerState.STOPPED


def decide(task: TaskView, now: float) -> Decision:
    """What to begin, and which containers will never run.

    Steps that don't need each other begin together: pulls, the network and the sandbox. Containers are made in the sandbox while the
    network is on its way, and started once it is there.
    """
    if all(container.state is _STOPPED for container in task.containers):
        return _release(task)
    if must_stop(task):
        return _bring_down(task)
    return _bring_up(task, now)


def must_stop(task: TaskView) -> bool:
    """Whether the task goes down: it is told to, an essential container stopped, or it has no network or sandbox."""
    return (
        task.desired is Desired.STOPPED
        or Resource.FAILED in (task.network, task.sandbox)
        or any(container.essential and container.state is _STOPPED for container in task.containers)
    )


def _bring_up(task: TaskView, now: float) -> Decision:
    actions: list[Action] = []
    abandon: list[Abandon] = []
    wake: list[float] = []
    if task.network is Resource.MISSING and Step.NETWORK not in task.busy:
        actions.append(Action(Step.NETWORK))
    if task.sandbox is Resource.MISSING and Step.SANDBOX not in task.busy:
        actions.append(Action(Step.SANDBOX))
    ready = task.network is Resource.READY and task.sandbox is Resource.READY
    others = {container.name: container for container in task.containers}
    for container in task.containers:
        if container.busy is not None:
            continue
        if container.state is ContainerState.NONE:
            actions.append(Action(Step.PULL, container.name))
        elif container.state is ContainerState.PULLED and task.sandbox is Resource.READY:
            actions.append(Action(Step.CREATE, container.name))
        if container.state is ContainerState.RUNNING or container.state is _STOPPED:
            continue
        resolution = resolve(container, others, now)
        if resolution.verdict is Verdict.NEVER:
            actions = [action for action in actions if action.container != container.name]
            abandon.append(Abandon(container.name, resolution.reason))
        elif resolution.deadline is not None:
            wake.append(resolution.deadline)
        if resolution.verdict is Verdict.MET and container.state is ContainerState.CREATED and ready:
            actions.append(Action(Step.START, container.name))
    return Decision(tuple(actions), tuple(abandon), min(wake, default=None))


def _bring_down(task: TaskView) -> Decision:
    """Abandon what never ran; stop what runs, those that others depend on last."""
    abandon = [
        Abandon(container.name)
        for container in task.containers
        if container.busy is None and container.state is not ContainerState.RUNNING and container.state is not _STOPPED
    ]
    needed = {
        dependency.container
        for container in task.containers
        if container.state is not _STOPPED
        for dependency in container.dependencies
    }
    running = [container for container in task.containers if container.state is ContainerState.RUNNING]
    free = [container for container in running if container.name not in needed]
    in_circle = bool(running) and not free and not abandon and not _anything_under_way(task)
    stop = running if in_circle else free
    actions = [Action(Step.STOP, container.name) for container in stop if container.busy is None]
    return Decision(tuple(actions), tuple(abandon), stopping=True)


def _anything_under_way(task: TaskView) -> bool:
    return any(container.busy is not None for container in task.containers)


def _release(task: TaskView) -> Decision:
    if task.released or task.busy or _anything_under_way(task):
        return Decision(stopping=True)
    return Decision((Action(Step.RELEASE),), stopping=True)


def wants_interrupted(task: TaskView) -> tuple[ContainerView, ...]:
    """The containers whose pull is pointless now, because the task goes down."""
    if not must_stop(task):
        return ()
    return tuple(container for container in task.containers if container.busy is Step.PULL)
