"""Session tokens: what goes in comes out, on every server, for as long as the session lives."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.context import MovedClock

from roadstead.access.master_key import MasterKey
from roadstead.access.principal import Principal, PrincipalKind
from roadstead.access.principal_record import PrincipalRecord
from roadstead.access.request_keys import mfa_keys, principal_keys
from roadstead.access.sealing import ExpiredSeal, InvalidSeal, Sealer, UnknownSealingKey
from roadstead.access.sealing_keys import OPENS_FOR, ROTATED_AFTER, SETTLES, read_keys, rotate_sealing_keys
from roadstead.access.session_limits import PACKED_LIMIT, SessionLimits, pack, packed_percent, unpack
from roadstead.access.sessions import issue_role_session, issue_session, open_session, role_session
from roadstead.kernel.arn import Arn
from roadstead.kernel.ids import access_key_id, account_of_key
from roadstead.store import Store, open_store

ROLE = Arn(service="iam", region="", account="1" * 12, resource="role/deploy/web")
NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)


@dataclass
class Deployment:
    """Servers on one database."""

    store: Store
    master: MasterKey
    clock: MovedClock

    async def server(self) -> Sealer:
        return await Sealer.load(self.store, self.master, self.clock)

    async def rotate(self) -> int:
        return await self.store.run(lambda tx: rotate_sealing_keys(tx, self.master, self.clock.now()))

    async def follow(self, sealer: Sealer) -> None:
        async with self.store.snapshot() as tx:
            await sealer.follow(tx)

    async def learnt(self, sealer: Sealer) -> bool:
        async with self.store.snapshot() as tx:
            return await sealer.learnt(tx)

    async def keys(self) -> int:
        async with self.store.snapshot() as tx:
            return len(await read_keys(tx))

    def session(self, sealer: Sealer, lifetime: timedelta = HOUR) -> tuple[str, str]:
        now = self.clock.now()
        issued = issue_role_session(
            sealer, role=ROLE, role_id="AROA1", session_name="s", now=now, expires=now + lifetime
        )
        return issued.session_token, issued.access_key_id


@pytest.fixture
async def deployment(tmp_path: Path) -> AsyncIterator[Deployment]:
    clock = MovedClock()
    async with await open_store(f"sqlite:///{tmp_path / 'roadstead.db'}", clock=clock) as store:
        await store.create_all()
        yield Deployment(store, MasterKey.load_or_create(tmp_path / "master.key"), clock)


async def test_a_session_opens_on_every_server_that_never_heard_of_it(deployment: Deployment) -> None:
    one, other = await deployment.server(), await deployment.server()
    token, key = deployment.session(one)
    opened = open_session(other, token, key)
    assert opened is not None
    assert str(opened[0].arn) == "arn:aws:sts::111111111111:assumed-role/web/s"
    assert (opened[0].issued_at, opened[0].expires_at) == (deployment.clock.now(), deployment.clock.now() + HOUR)


async def test_a_new_key_seals_once_all_servers_know_it(deployment: Deployment) -> None:
    one, other = await deployment.server(), await deployment.server()
    old, old_key = deployment.session(one, timedelta(hours=36))
    deployment.clock.move(ROTATED_AFTER)
    assert await deployment.rotate() == 0
    assert await deployment.keys() == 2
    await deployment.follow(one)
    token, key = deployment.session(one)
    assert open_session(other, token, key) is not None, "the new key has not settled: the old one seals"
    deployment.clock.move(SETTLES)
    token, key = deployment.session(one)
    with pytest.raises(UnknownSealingKey):
        open_session(other, token, key)
    await deployment.follow(other)
    assert open_session(other, token, key) is not None
    assert open_session(one, old, old_key) is not None, "an older key opens what it sealed"
    assert open_session(other, old, old_key) is not None


async def test_a_server_that_slept_learns_a_key_from_a_token(deployment: Deployment) -> None:
    one, other = await deployment.server(), await deployment.server()
    deployment.clock.move(ROTATED_AFTER)
    await deployment.rotate()
    await deployment.follow(one)
    deployment.clock.move(SETTLES)
    token, key = deployment.session(one)
    assert await deployment.learnt(other)
    assert open_session(other, token, key) is not None
    assert not await deployment.learnt(other), "forged tokens must not cost a read each"
    deployment.clock.move(timedelta(seconds=6))
    assert await deployment.learnt(other)


async def test_a_key_goes_when_everything_it_sealed_is_dead(deployment: Deployment) -> None:
    sealer = await deployment.server()
    await deployment.rotate()
    assert await deployment.keys() == 1, "a young key is not replaced"
    gone = 0
    for _ in range(OPENS_FOR.days + 5):
        deployment.clock.move(ROTATED_AFTER)
        token, key = deployment.session(sealer, OPENS_FOR)
        gone += await deployment.rotate()
        await deployment.follow(sealer)
        assert open_session(sealer, token, key) is not None
    assert gone > 0
    assert await deployment.keys() <= OPENS_FOR // ROTATED_AFTER + 3


async def test_no_token_outlives_its_key(deployment: Deployment) -> None:
    sealer = await deployment.server()
    deployment.clock.move(ROTATED_AFTER + SETTLES - timedelta(seconds=1))
    token, key = deployment.session(sealer, OPENS_FOR)
    await deployment.rotate()
    for _ in range(OPENS_FOR.days - 1):
        deployment.clock.move(timedelta(days=1))
        await deployment.rotate()
        await deployment.follow(sealer)
        assert open_session(sealer, token, key) is not None
    deployment.clock.move(timedelta(days=1))
    with pytest.raises(ExpiredSeal):
        open_session(sealer, token, key)


async def test_a_clock_that_was_set_back_still_seals(deployment: Deployment) -> None:
    sealer = await deployment.server()
    deployment.clock.move(-timedelta(days=3))
    token, key = deployment.session(sealer)
    assert open_session(sealer, token, key) is not None


async def test_servers_that_start_together_share_the_first_key(deployment: Deployment) -> None:
    sealers = await asyncio.gather(*(deployment.server() for _ in range(4)))
    assert await deployment.keys() == 1
    token, key = deployment.session(sealers[0])
    assert all(open_session(sealer, token, key) is not None for sealer in sealers)


@pytest.mark.parametrize("change", ["short", "flipped", "other key", "empty", "not base64"])
async def test_what_was_tampered_with_does_not_open(deployment: Deployment, change: str) -> None:
    sealer = await deployment.server()
    token, key = deployment.session(sealer)
    forged = {
        "short": token[:-1],
        "flipped": token[:60] + ("A" if token[60] != "A" else "B") + token[61:],
        "other key": "AAAAAAAAAAA" + token[11:],
        "empty": "",
        "not base64": "é" * 40,
    }[change]
    with pytest.raises(InvalidSeal):
        open_session(sealer, forged, key)


async def test_a_token_can_be_as_long_as_it_is_asked_to_be(deployment: Deployment) -> None:
    sealer = await deployment.server()
    now = deployment.clock.now()
    principal = role_session(role=ROLE, role_id="AROA1", session_name="s", now=now, expires=now + HOUR)
    issued = issue_session(sealer, principal, minimum_size=4096)
    assert 4096 <= len(issued.session_token) < 4096 + 1500
    opened = open_session(sealer, issued.session_token, issued.access_key_id)
    assert opened is not None
    assert opened[0] == replace(principal, access_key_id=issued.access_key_id)


texts = st.text(max_size=40)
moments = st.integers(0, 2**32).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
principals = st.builds(
    Principal,
    kind=st.sampled_from([PrincipalKind.USER, PrincipalKind.ASSUMED_ROLE, PrincipalKind.FEDERATED_USER]),
    account=st.just(ROLE.account),
    arn=st.just(ROLE),
    identity_arn=st.just(ROLE),
    user_id=texts,
    access_key_id=texts,
    identity_id=texts,
    session_policies=st.lists(texts, max_size=1).map(tuple),
    session_policy_arns=st.lists(texts, max_size=10).map(tuple),
    session_tags=st.dictionaries(texts, texts, max_size=5),
    transitive_tag_keys=st.lists(texts, max_size=5).map(tuple),
    source_identity=st.none() | texts,
    federated_provider=st.none() | texts,
    provider_keys=st.dictionaries(texts, texts | st.lists(texts, max_size=3).map(tuple), max_size=3),
    issued_at=st.none() | moments,
    expires_at=st.none() | moments,
    mfa_at=st.none() | moments,
)


@given(principals)
def test_a_principal_comes_out_as_it_went_in(principal: Principal) -> None:
    assert PrincipalRecord.of(principal).principal() == principal


@given(
    st.builds(
        SessionLimits,
        policies=st.lists(texts, max_size=2).map(tuple),
        policy_arns=st.lists(texts, max_size=4).map(tuple),
        tags=st.dictionaries(texts, texts, max_size=9),
    )
)
def test_limits_come_out_as_they_went_in(limits: SessionLimits) -> None:
    packed = pack(limits)
    assert unpack(packed) == limits
    assert packed_percent(limits) >= len(packed) * 100 / PACKED_LIMIT


@given(st.integers(min_value=0, max_value=10**12 - 1))
def test_a_key_names_its_account(number: int) -> None:
    account = str(number).zfill(12)
    key = access_key_id("ASIA", account)
    assert len(key) == 20
    assert account_of_key(key) == account


def test_other_texts_name_no_account() -> None:
    assert [account_of_key(text) for text in ("", "AKIA", "AKIAIOSFODNN7EXAMPLE", "ASIA" + "A" * 15)] == [
        None,
        None,
        "581039954779",
        None,
    ]


def test_mfa_is_a_matter_of_sessions() -> None:
    session = role_session(role=ROLE, role_id="AROA1", session_name="s", now=NOW, expires=NOW + HOUR)
    assert mfa_keys(replace(session, issued_at=None), NOW) == {}
    assert mfa_keys(session, NOW) == {"aws:MultiFactorAuthPresent": "false"}
    assert mfa_keys(replace(session, mfa_at=NOW), NOW + timedelta(minutes=5)) == {
        "aws:MultiFactorAuthPresent": "true",
        "aws:MultiFactorAuthAge": "300",
    }


def test_a_session_says_who_is_behind_it_and_when_it_began() -> None:
    session = role_session(role=ROLE, role_id="AROA1", session_name="s", now=NOW, expires=NOW + HOUR)
    keys = principal_keys(
        replace(
            session,
            issued_at=NOW + timedelta(milliseconds=12),
            source_identity="ann",
            federated_provider="arn:p",
            session_tags={"team": "red"},
        ),
        {"Team": "blue"},
    )
    assert keys["aws:TokenIssueTime"] == "2026-11-23T09:00:00.012Z"
    assert (keys["aws:SourceIdentity"], keys["aws:FederatedProvider"]) == ("ann", "arn:p")
    assert keys["aws:PrincipalTag/team"] == "red"
    assert "aws:PrincipalTag/Team" not in keys, "the session's tag replaces the role's, whatever the case"
