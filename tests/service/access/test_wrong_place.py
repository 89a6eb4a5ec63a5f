"""Whoever signs for another account or another region learns nothing of what is here, and changes none of it.

Everything in the world has a name that begins with `zzworld`: such a word in an answer must have been in the request.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from botocore.exceptions import ClientError, ParamValidationError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from tests.service.access.world import World, build_world, example
from tests.support.server import REGION, Account, Keys, ServerThread

from roadstead.gateway.models import service_model
from roadstead.server.operations import DECLARED
from roadstead.store import Transaction, metadata

GLOBAL = ("iam", "sts")
"""Services without regions: signed for another one, they are about the same things."""
ALL = sorted(DECLARED)
OF_NO_REGION = {"roadstead:DeleteRegistryAlias", "roadstead:PutRegistryAlias"}
"""An account's public registry has its aliases wherever it is asked: who makes one from elsewhere can take it away from there."""
REGIONAL = [name for name in ALL if name.partition(":")[0] not in GLOBAL and name not in OF_NO_REGION]
WORD = re.compile(r"zzworld\w*")
BY_ITSELF = {"ecr_garbage", "leases", "outbox", "outbox_consumers", "iam_access_key_uses", "iam_action_uses"}
"""Tables that the server writes by itself, or that say when a caller called."""
SHOWN_TO_ALL = {"roadstead:ListGalleryRepositories"}
"""Public repositories are for everybody."""
ARNS: Mapping[str, tuple[str, ...]] = {
    "cluster": ("cluster",),
    "taskDefinition": ("task-definition",),
    "resourceArn": ("cluster", "container-instance", "repository", "task", "task-definition"),
    "Arn": ("user", "role", "policy"),
    "PolicySourceArn": ("user", "role"),
}
"""Members that can name things by their ARNs."""

Row = tuple[str, str]
_numbers = itertools.count()


@dataclass(frozen=True, slots=True)
class Outsider:
    """Somebody who may do everything, elsewhere."""

    keys: Keys
    region: str


@dataclass(slots=True)
class Watched:
    """A world, and what its tables hold as of a version of the store."""

    world: World
    _version: int | None = None
    _rows: dict[str, set[Row]] = field(default_factory=dict, repr=False)

    def stranger(self) -> Outsider:
        return Outsider(self.world.admin.server.new_account(), REGION)

    def emigrant(self) -> Outsider:
        """The administrator of the same account, in a region where nobody has been."""
        number = next(_numbers)
        return Outsider(self.world.admin.keys, f"eu-{chr(97 + number // 26 % 26)}{chr(97 + number % 26)}-1")

    def rows(self, who: Outsider) -> set[Row]:
        """Every row that is not the outsider's."""
        server = self.world.admin.server
        kind, version = "region" if who.keys.account == self.world.admin.id else "account", server.version
        if version != self._version or kind not in self._rows:
            if version != self._version:
                self._rows.clear()
            self._version, self._rows[kind] = version, server.run(lambda tx: self._read(tx, kind))
        return self._rows[kind]

    async def _read(self, tx: Transaction, kind: str) -> set[Row]:
        found: set[Row] = set()
        for table in metadata.sorted_tables:
            if table.name in BY_ITSELF or table.name.startswith("test_"):  # the store's tests have one of their own
                continue
            query = select(table)
            if "account" in table.c:
                query = query.where(table.c.account == self.world.admin.id)
            if kind == "region" and "region" in table.c:
                query = query.where(table.c.region == REGION)
            found.update((table.name, repr(tuple(row))) for row in (await tx.execute(query)).all())
        return found

    def check(self, who: Outsider, operation: str, request: Mapping[str, Any]) -> None:
        """Send the request as the outsider, and look at the answer and at the tables."""
        before = self.rows(who)
        answer, sent = self._call(who, operation, request), json.dumps(request, default=str)
        changed = before - self.rows(who)
        assert not changed, f"{operation} {request} changed {changed}"
        told = set() if operation in SHOWN_TO_ALL else set(WORD.findall(answer)) - set(WORD.findall(sent))
        assert not told, f"{operation} {request} told {told}: {answer}"
        assert self.world.ids["key"] not in answer.replace(sent, "") or self.world.ids["key"] in sent

    def _call(self, who: Outsider, operation: str, request: Mapping[str, Any]) -> str:
        """The text of the answer, an error's or a result's."""
        service, _, name = operation.partition(":")
        server = self.world.admin.server
        if service == "roadstead":
            model, body = service_model(service), json.dumps(request, default=str).encode()
            headers = {
                "content-type": f"application/x-amz-json-{model.metadata['jsonVersion']}",
                "x-amz-target": f"{model.metadata['targetPrefix']}.{name}",
            }
            return server.send(
                "POST", "/", server.signed(who.keys, service, headers, body, region=who.region), body
            ).text
        client = server.client(service, who.keys, who.region)
        shape = client.meta.service_model.operation_model(name).input_shape
        # Members that only agents know are not in the public model.
        public = {member: value for member, value in request.items() if member in shape.members}
        try:
            answer = client._make_api_call(name, public)
        except ClientError as error:
            answer = error.response
        except ParamValidationError as error:
            pytest.fail(f"the example of {operation} is no request: {error}. See tests/service/access/world.py.")
        answer.pop("ResponseMetadata", None)
        return json.dumps(answer, default=str)


@pytest.fixture(scope="module")
def watched(sqlite_server: ServerThread) -> Watched:
    return Watched(build_world(Account(sqlite_server, sqlite_server.new_account())))


@pytest.mark.parametrize("operation", ALL)
def test_another_account(watched: Watched, operation: str):
    stranger = watched.stranger()
    for full in (True, False):
        watched.check(stranger, operation, example(watched.world, operation, full=full))


@pytest.mark.parametrize("operation", REGIONAL)
def test_another_region(watched: Watched, operation: str):
    emigrant = watched.emigrant()
    for full in (True, False):
        watched.check(emigrant, operation, example(watched.world, operation, full=full))


@given(data=st.data())
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_members_of_any_operation(watched: Watched, data: st.DataObject):
    """Requests with some of the members that can be left out, and with ARNs in the place of names."""
    elsewhere = data.draw(st.booleans(), label="in another region")
    operation = data.draw(st.sampled_from(REGIONAL if elsewhere else ALL), label="operation")
    bare, request = (example(watched.world, operation, full=full) for full in (False, True))
    for member in sorted(set(request) - set(bare)):
        if not data.draw(st.booleans(), label=member):
            del request[member]
    for member in sorted(set(request) & set(ARNS)):
        request[member] = watched.world.arns[data.draw(st.sampled_from(ARNS[member]), label=member)]
    watched.check(watched.emigrant() if elsewhere else watched.stranger(), operation, request)


def test_the_watch_sees_what_changes(watched: Watched):
    """The owner itself would be told and would change things: the checks above can fail."""
    owner = Outsider(watched.world.admin.keys, REGION)
    with pytest.raises(AssertionError, match="told"):
        watched.check(owner, "ecs:ListClusters", {})
    with pytest.raises(AssertionError, match="changed"):
        watched.check(owner, "ecs:StopTask", example(watched.world, "ecs:StopTask"))
