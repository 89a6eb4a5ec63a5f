"""Quotas, old passwords, and what policies grant, without a database."""

from __future__ import annotations

from pathlib import Path

import pytest

from roadstead.cli.checks import check, read_quotas
from roadstead.cli.failure import CommandFailed
from roadstead.cli.settings import Config
from roadstead.kernel.settings import Deployment
from roadstead.services.iam.granting import granted_services
from roadstead.services.iam.passwords import used_before
from roadstead.services.iam.quotas import policy_size, quota


def test_quotas_are_aws_defaults_unless_the_deployment_says_more():
    plain, raised = (
        Deployment(Path("/d")),
        Deployment(Path("/d"), iam_quotas={"RolesPerAccount": 5000, "PolicySize": 9}),
    )
    assert (quota(plain, "RolesPerAccount"), quota(raised, "RolesPerAccount")) == (1000, 5000)
    assert quota(raised, "PolicySize") == 6144


@pytest.mark.parametrize("text", ["UsersPerAccount=9", "RolesPerAccount=10001", "RolesPerAccount=0", "Nothing=1"])
def test_quotas_that_aws_does_not_give(text: str):
    with pytest.raises(CommandFailed, match="--iam-quota"):
        check(Config(iam_quotas=read_quotas([text])))


def test_quotas_are_read_from_the_command_line():
    assert read_quotas(["RolesPerAccount=5000"]) == {"RolesPerAccount": 5000}
    check(Config(iam_quotas={"RolesPerAccount": 5000}))
    with pytest.raises(CommandFailed):
        read_quotas(["RolesPerAccount"])


def test_white_space_does_not_count():
    assert policy_size('{ "a" :\n\t"b" }') == 9


def test_a_password_is_old_within_the_policys_memory():
    previous = [b"two".hex(), b"three".hex()]
    assert used_before(b"one", b"one", previous, 1)
    assert not used_before(b"two", b"one", previous, 1)
    assert used_before(b"three", b"one", previous, 3)
    assert not used_before(b"one", b"one", previous, 0)


@pytest.mark.parametrize(
    ("statement", "services"),
    [
        ('{"Effect":"Allow","Action":["ECS:Run*","ecr:*"],"Resource":"*"}', {"ecs", "ecr"}),
        ('{"Effect":"Deny","Action":"ecs:*","Resource":"*"}', set[str]()),
        ('{"Effect":"Allow","Action":"*","Resource":"*"}', None),
        ('{"Effect":"Allow","NotAction":"iam:*","Resource":"*"}', None),
    ],
)
def test_services_that_a_policy_grants(statement: str, services: set[str] | None):
    assert granted_services(f'{{"Version":"2012-10-17","Statement":[{statement}]}}') == services
