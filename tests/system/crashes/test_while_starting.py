"""A process dies in the middle of RunTask: what was acknowledged runs, or stops with a reason that is true; nothing is left over."""

from __future__ import annotations

import random
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.exceptions import BotoCoreError, ClientError
from tests.system.crashes.victims import VICTIMS, Patient

KILLS = 3


@pytest.mark.parametrize("victim", VICTIMS)
def test_at_a_random_moment(patient: Patient, victim: str):
    chance = random.Random(victim)
    for _ in range(KILLS):
        delay = chance.uniform(0, 0.8)
        with ThreadPoolExecutor(1) as thread:
            started = thread.submit(patient.run, "web")
            time.sleep(delay)
            patient.kill(victim)
            try:
                arn = started.result()
            except (BotoCoreError, ClientError):
                assert victim == "server", f"only the server's death may fail RunTask (after {delay:.3f} s)"
                arn = None
        if victim == "supervisor":
            patient.deployment.up()
        patient.well_again()
        if arn is None:
            _take_up_unacknowledged(patient)
            continue
        task = patient.settled(arn)
        told = f"killed {victim} after {delay:.3f} s: {task.get('stoppedReason')} {task['containers']}"
        assert task["lastStatus"] == "RUNNING" or task.get("stoppedReason"), told
        assert task["lastStatus"] == "RUNNING", told
        assert patient.answers(patient.deployment.serving(arn)), told


def _take_up_unacknowledged(patient: Patient) -> None:
    """RunTask may have come into effect although its answer was lost."""
    listed = patient.deployment.client("ecs").list_tasks()["taskArns"]
    patient.started += [arn for arn in listed if arn not in patient.started]


@pytest.mark.parametrize("victims", [*((victim,) for victim in VICTIMS), ("server", "agent", "containerd")])
def test_between_the_acknowledgement_and_the_first_step(patient: Patient, victims: tuple[str, ...]):
    """The task is there and its agent has not begun: it stands still until they are dead."""
    with patient.frozen("agent"):
        arn = patient.run("web")
        assert patient.deployment.task(arn)["lastStatus"] in ("PROVISIONING", "PENDING")
        patient.kill(*victims)
    if "supervisor" in victims:
        patient.deployment.up()
    patient.well_again()
    assert patient.answers(patient.deployment.serving(arn))
