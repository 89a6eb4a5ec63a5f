"""The task engine's decisions: examples as tables, and a simulated world that hypothesis drives."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from roadstead.core.taskengine.decide import decide, must_stop, wants_interrupted
from roadstead.core.taskengine.model import (
    Action,
    Condition,
    ContainerView,
    Dependency,
    Desired,
    Health,
    Resource,
    Step,
    TaskView,
)
from roadstead.core.taskengine.states import (
    TRANSITIONS,
    ContainerState,
    Event,
    ImpossibleTransition,
    advance,
)

S = ContainerState
READY: dict[str, Any] = {"network": Resource.READY, "sandbox": Resource.READY}


def task(*containers: ContainerView, desired: Desired = Desired.RUNNING, **more) -> TaskView:
    return TaskView(desired=desired, containers=containers, **more)


def names(view: TaskView, now: float = 0.0) -> set[tuple[str, str]]:
    return {(action.step.value, action.container) for action in decide(view, now).actions}


def test_pull_network_and_sandbox_begin_together():
    assert names(task(ContainerView("a"))) == {("PULL", "a"), ("NETWORK", ""), ("SANDBOX", "")}


def test_containers_are_made_in_the_sandbox_and_started_with_the_network():
    pulled, created = ContainerView("a", state=S.PULLED), ContainerView("a", state=S.CREATED)
    waiting = frozenset({Step.NETWORK})
    assert names(task(pulled, busy=waiting | {Step.SANDBOX})) == set()
    assert names(task(pulled, sandbox=Resource.READY, busy=waiting)) == {("CREATE", "a")}
    assert names(task(created, sandbox=Resource.READY, busy=waiting)) == set()
    assert names(task(created, network=Resource.READY, busy=frozenset({Step.SANDBOX}))) == set()
    assert names(task(created, **READY)) == {("START", "a")}


@pytest.mark.parametrize("state", [S.NONE, S.PULLED, S.CREATED])
def test_nothing_begins_twice(state: ContainerState):
    busy = ContainerView("a", state=state, busy=Step.PULL)
    assert names(task(busy, **READY)) == set()


@pytest.mark.parametrize(
    ("condition", "target", "starts"),
    [
        (Condition.START, ContainerView("db", state=S.CREATED), False),
        (Condition.START, ContainerView("db", state=S.RUNNING), True),
        (Condition.START, ContainerView("db", essential=False, state=S.STOPPED, exit_code=3), True),
        (Condition.COMPLETE, ContainerView("db", state=S.RUNNING), False),
        (Condition.COMPLETE, ContainerView("db", essential=False, state=S.STOPPED, exit_code=3), True),
        (Condition.SUCCESS, ContainerView("db", essential=False, state=S.STOPPED, exit_code=0), True),
        (Condition.HEALTHY, ContainerView("db", state=S.RUNNING), False),
        (Condition.HEALTHY, ContainerView("db", state=S.RUNNING, health=Health.HEALTHY), True),
        (Condition.HEALTHY, ContainerView("db", state=S.RUNNING, health=Health.UNHEALTHY), False),
    ],
)
def test_dependencies(condition: Condition, target: ContainerView, *, starts: bool):
    app = ContainerView("app", state=S.CREATED, dependencies=(Dependency("db", condition),))
    assert (("START", "app") in names(task(app, target, **READY))) is starts


def test_a_dependency_that_failed_abandons_its_dependent():
    app = ContainerView("app", state=S.CREATED, dependencies=(Dependency("init", Condition.SUCCESS),))
    init = ContainerView("init", essential=False, state=S.STOPPED, exit_code=2)
    decision = decide(task(app, init, **READY), 0)
    assert decision.abandon[0].container == "app"
    assert "exit code 2" in decision.abandon[0].reason


def test_the_start_timeout_of_a_dependency_runs_out():
    app = ContainerView("app", state=S.CREATED, dependencies=(Dependency("db", Condition.HEALTHY),))
    db = ContainerView("db", state=S.RUNNING, started_at=100.0, start_timeout=20.0)
    view = task(app, db, **READY)
    assert decide(view, 110.0).wake_at == 120.0
    assert decide(view, 110.0).abandon == ()
    assert decide(view, 120.0).abandon[0].container == "app"


def test_an_essential_container_that_stopped_takes_the_task_down():
    view = task(ContainerView("a", state=S.STOPPED, exit_code=0), ContainerView("b", state=S.RUNNING), **READY)
    assert must_stop(view)
    assert names(view) == {("STOP", "b")}


def test_one_that_is_not_essential_does_not():
    gone = ContainerView("a", essential=False, state=S.STOPPED, exit_code=1)
    assert names(task(gone, ContainerView("b", state=S.RUNNING), **READY)) == set()


def test_containers_stop_before_those_they_depend_on():
    app = ContainerView("app", state=S.RUNNING, dependencies=(Dependency("db", Condition.START),))
    db = ContainerView("db", state=S.RUNNING)
    assert names(task(app, db, desired=Desired.STOPPED, **READY)) == {("STOP", "app")}
    stopped = replace(app, state=S.STOPPED, exit_code=143)
    assert names(task(stopped, db, desired=Desired.STOPPED, **READY)) == {("STOP", "db")}


def test_pulls_are_interrupted_when_the_task_stops():
    pulling = ContainerView("a", busy=Step.PULL)
    assert wants_interrupted(task(pulling, desired=Desired.STOPPED)) == (pulling,)
    assert wants_interrupted(task(pulling)) == ()


def test_a_stopped_task_is_released_once_nothing_is_under_way():
    gone = ContainerView("a", state=S.STOPPED)
    assert names(task(gone)) == {("RELEASE", "")}
    assert names(task(gone, busy=frozenset({Step.NETWORK}))) == set()
    assert names(task(gone, released=True)) == set()


def test_the_table_refuses_what_it_does_not_have():
    with pytest.raises(ImpossibleTransition):
        advance(S.STOPPED, Event.STARTED)
    assert all(state is not S.STOPPED for state, _ in TRANSITIONS)


@dataclass
class World:
    """Carries decisions out in any order that hypothesis picks, with failures."""

    view: TaskView
    exits: dict[str, int]
    fails: frozenset[tuple[str, Step]]
    running: list[Action] = field(default_factory=list)
    started: list[str] = field(default_factory=list)
    ran: set[str] = field(default_factory=set)

    def container(self, name: str) -> ContainerView:
        return next(each for each in self.view.containers if each.name == name)

    def change(self, name: str, **changes) -> None:
        changed = tuple(replace(each, **changes) if each.name == name else each for each in self.view.containers)
        self.view = replace(self.view, containers=changed)

    def apply(self, name: str, event: Event, **changes) -> None:
        self.change(name, state=advance(self.container(name).state, event), **changes)

    def turn(self, now: float) -> None:
        while True:
            decision = decide(self.view, now)
            for each in decision.abandon:
                self.apply(each.container, Event.ABANDONED)
            if not decision.abandon:
                break
        for action in decision.actions:
            assert action not in self.running, "begun twice"
            if action.step is Step.START:
                self.check_dependencies(action.container)
                self.started.append(action.container)
            if action.container:
                assert self.container(action.container).busy is None
                self.change(action.container, busy=action.step)
            else:
                self.view = replace(self.view, busy=self.view.busy | {action.step})
            self.running.append(action)

    def check_dependencies(self, name: str) -> None:
        for dependency in self.container(name).dependencies:
            target = self.container(dependency.container)
            match dependency.condition:
                case Condition.START:
                    assert target.state is S.RUNNING or target.exit_code is not None
                case Condition.COMPLETE:
                    assert target.state is S.STOPPED
                    assert target.exit_code is not None
                case Condition.SUCCESS:
                    assert target.exit_code == 0
                case Condition.HEALTHY:
                    assert target.health is Health.HEALTHY

    def finish(self, action: Action) -> None:
        self.running.remove(action)
        name, step = action.container, action.step
        failed = (name, step) in self.fails
        if not name:
            self.view = replace(self.view, busy=self.view.busy - {step})
            outcome = Resource.FAILED if failed else Resource.READY
            match step:
                case Step.NETWORK:
                    self.view = replace(self.view, network=outcome)
                case Step.SANDBOX:
                    self.view = replace(self.view, sandbox=outcome)
                case _:
                    self.view = replace(self.view, released=True)
            return
        self.change(name, busy=None)
        if self.container(name).state is S.STOPPED:
            return
        if failed and step is not Step.STOP:
            self.apply(name, Event.ABANDONED)
            return
        match step:
            case Step.PULL:
                self.apply(name, Event.PULLED)
            case Step.CREATE:
                self.apply(name, Event.CREATED)
            case Step.START:
                self.apply(name, Event.STARTED, started_at=0.0, health=Health.HEALTHY)
            case _:
                self.apply(name, Event.EXITED, exit_code=143)

    def exit(self, name: str) -> None:
        self.apply(name, Event.EXITED, exit_code=self.exits[name])


@st.composite
def worlds(draw: st.DrawFn) -> World:
    count = draw(st.integers(1, 4))
    order = [f"c{number}" for number in range(count)]
    containers: list[ContainerView] = []
    for position, name in enumerate(order):
        earlier = order[:position]
        wanted = draw(st.lists(st.sampled_from(earlier), unique=True, max_size=2)) if earlier else []
        dependencies = tuple(Dependency(each, draw(st.sampled_from(list(Condition)))) for each in wanted)
        containers.append(ContainerView(name, essential=draw(st.booleans()), dependencies=dependencies))
    exits = {name: draw(st.sampled_from([0, 0, 1])) for name in order}
    steps = [(name, step) for name in order for step in (Step.PULL, Step.CREATE, Step.START)]
    steps += [("", Step.NETWORK), ("", Step.SANDBOX)]
    fails = frozenset(draw(st.lists(st.sampled_from(steps), max_size=2)))
    view = TaskView(desired=Desired.RUNNING, containers=tuple(draw(st.permutations(containers))))
    return World(view, exits, fails)


@settings(max_examples=300, deadline=None)
@given(worlds(), st.data())
def test_a_task_that_ends_always_ends_and_never_starts_before_its_dependencies(world: World, data: st.DataObject):
    stop_after = data.draw(st.integers(0, 30))
    for turn in range(400):
        if turn == stop_after:
            world.view = replace(world.view, desired=Desired.STOPPED)
        world.turn(float(turn))
        if world.view.released:
            break
        running = [each.name for each in world.view.containers if each.state is S.RUNNING and each.busy is None]
        choices: list[Action | str] = [*world.running, *running]
        if not choices:
            assert turn < stop_after, "the task stands still on its way down"
            continue
        chosen = data.draw(st.sampled_from(choices))
        if isinstance(chosen, Action):
            world.finish(chosen)
        else:
            world.exit(chosen)
    assert world.view.released
    assert all(each.state is S.STOPPED for each in world.view.containers)
    assert len(world.started) == len(set(world.started))


@settings(max_examples=100, deadline=None)
@given(worlds())
def test_a_stopped_essential_container_stops_the_task(world: World):
    first = world.view.containers[0]
    world.change(first.name, essential=True, state=S.STOPPED, exit_code=1)
    assert must_stop(world.view)
    assert all(action.step in (Step.STOP, Step.RELEASE) for action in decide(world.view, 0).actions)


def test_a_circle_of_dependencies_still_stops():
    a = ContainerView("a", state=S.RUNNING, dependencies=(Dependency("b", Condition.START),))
    b = ContainerView("b", state=S.RUNNING, dependencies=(Dependency("a", Condition.START),))
    assert names(task(a, b, desired=Desired.STOPPED, **READY)) == {("STOP", "a"), ("STOP", "b")}
