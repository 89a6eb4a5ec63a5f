"""Signatures as botocore makes them, against the gate: the good ones pass, every kind of bad one fails for its own reason."""

from __future__ import annotations

import os
import resource
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from sqlalchemy import update

from roadstead.access.errors import AccessDenied, AuthenticationError, AuthenticationFailure
from roadstead.access.gatekeeper import Caller, Gatekeeper
from roadstead.access.master_key import MasterKey, MasterKeyError
from roadstead.access.revisions import touch_account
from roadstead.access.sealing import Sealer
from roadstead.access.sessions import issue_role_session
from roadstead.access.tables import inline_policies
from roadstead.core.sigv4 import EMPTY_SHA256, SignableRequest, sign
from roadstead.kernel.arn import Arn
from roadstead.services.iam.api import user_with_key
from roadstead.store import Store, open_store

F = AuthenticationFailure
POLICY = '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"ecs:List*","Resource":"*"}}'
BODY = b'{"maxResults":1}'
ROLE = Arn(service="iam", region="", account="1" * 12, resource="role/worker")


class MovableClock:
    def __init__(self) -> None:
        self.moment = datetime.now(UTC)

    def now(self) -> datetime:
        return self.moment

    def monotonic(self) -> float:
        return self.moment.timestamp()


class World:
    def __init__(self, store: Store, keeper: Gatekeeper, clock: MovableClock, keys: Credentials) -> None:
        self.store, self.keeper, self.clock, self.keys = store, keeper, clock, keys

    async def authenticate(self, request: SignableRequest) -> Caller:
        async with self.store.snapshot() as tx:
            return await self.keeper.at(tx).authenticate(request)

    async def failure(self, request: SignableRequest) -> AuthenticationFailure:
        with pytest.raises(AuthenticationError) as caught:
            await self.authenticate(request)
        return caught.value.failure


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    clock = MovableClock()
    async with await open_store(f"sqlite:///{tmp_path / 'roadstead.db'}", clock=clock) as store:
        await store.create_all()
        master = MasterKey.load_or_create(tmp_path / "master.key")
        sealer = await Sealer.load(store, master, clock)
        key = await store.run(
            lambda tx: user_with_key(
                tx, master=master, account="1" * 12, name="ann", path="/", policy=POLICY, now=clock.now()
            )
        )
        keys = Credentials(key.access_key_id, key.secret_access_key)
        yield World(store, Gatekeeper(sealer, master, clock), clock, keys)


def signed(keys: Credentials, *, body: bytes = BODY, path: str = "/", presigned: int | None = None) -> SignableRequest:
    """A request as botocore signs it now."""
    method = "GET" if presigned else "POST"
    request = AWSRequest(method, f"http://127.0.0.1:4566{path}", data=b"" if presigned else body)
    request.headers["Host"] = "127.0.0.1:4566"
    signer = (
        SigV4QueryAuth(keys, "ecs", "us-east-1", expires=presigned)
        if presigned
        else SigV4Auth(keys, "ecs", "us-east-1")
    )
    signer.add_auth(request)
    split = urlsplit(str(request.url))
    headers = {name.lower(): str(value) for name, value in request.headers.items()}
    payload = sha256(b"" if presigned else body).hexdigest()
    return SignableRequest(method, split.path, split.query, headers, payload)


async def test_a_header_in_utf8_is_signed_as_its_bytes(world: World):
    """One of them is a space in Latin-1, and no space at all."""
    request = AWSRequest("POST", "http://127.0.0.1:4566/", data=BODY)
    request.headers.add_header("Host", "127.0.0.1:4566")
    request.headers.add_header("X-Note", " à  la Größe ")
    SigV4Auth(world.keys, "ecs", "us-east-1").add_auth(request)
    wire = {name.lower(): value.encode().decode("latin-1") for name, value in request.headers.items()}
    assert "x-note" in wire["authorization"]
    sent = SignableRequest("POST", "/", "", wire, sha256(BODY).hexdigest())
    assert (await world.authenticate(sent)).principal
    assert await world.failure(changed(sent, headers={**wire, "x-note": "a la Groesse"})) is F.SIGNATURE_MISMATCH


def session_of(world: World, lasts: timedelta) -> Credentials:
    """Keys of a session of a role; their token may be over already."""
    now = world.clock.now()
    session = issue_role_session(
        world.keeper.sealer, role=ROLE, role_id="AROA", session_name="task", now=now, expires=now + lasts
    )
    return Credentials(session.access_key_id, session.secret_access_key, session.session_token)


def changed(request: SignableRequest, **changes: object) -> SignableRequest:
    fields = {name: getattr(request, name) for name in ("method", "path", "query", "headers", "payload_hash")}
    return SignableRequest(**{**fields, **changes})  # type: ignore[arg-type]


async def test_a_good_signature_names_its_user(world: World) -> None:
    caller = await world.authenticate(signed(world.keys))
    assert str(caller.principal.arn) == "arn:aws:iam::111111111111:user/ann"
    assert (caller.region, caller.service) == ("us-east-1", "ecs")


@pytest.mark.parametrize("path", ["/clusters/a%20b", "/tags/arn%3Aaws%3Aeks", "/a//b/../c", "/%E1%88%B4?b=2&a=%2F&c"])
async def test_paths_and_queries_as_botocore_signs_them(world: World, path: str) -> None:
    await world.authenticate(signed(world.keys, path=path))


async def test_our_own_signer(world: World) -> None:
    headers = {"host": "127.0.0.1:4566", "content-type": "application/x-amz-json-1.1"}
    request = SignableRequest("GET", "/a b", "z=1&a=%20", headers, EMPTY_SHA256)
    added = sign(
        request,
        access_key_id=str(world.keys.access_key),
        secret=str(world.keys.secret_key),
        region="eu-west-1",
        service="ecs",
        now=world.clock.now(),
    )
    caller = await world.authenticate(changed(request, headers={**headers, **added}))
    assert caller.region == "eu-west-1"


def our_own(world: World, query: str) -> SignableRequest:
    """A request that our own signer signed."""
    headers = {"host": "127.0.0.1:4566"}
    request = SignableRequest("GET", "/", query, headers, EMPTY_SHA256)
    keys = {"access_key_id": str(world.keys.access_key), "secret": str(world.keys.secret_key)}
    added = sign(request, **keys, region="us-east-1", service="iam", now=world.clock.now())
    return changed(request, headers={**headers, **added})


async def test_every_part_is_covered(world: World) -> None:
    good = signed(world.keys)
    for bad in (
        changed(good, method="PUT"),
        changed(good, path="/other"),
        changed(good, query="a=b"),
        changed(good, payload_hash=EMPTY_SHA256),
        changed(good, headers={**good.headers, "host": "elsewhere"}),
        changed(good, headers={**good.headers, "x-amz-target": "added"}),
    ):
        assert await world.failure(bad) is F.SIGNATURE_MISMATCH


async def test_no_other_signature_is_accepted(world: World) -> None:
    good = signed(world.keys)
    header = good.headers["authorization"]
    for position in range(1, 65, 7):
        digit = "0" if header[-position] != "0" else "1"
        forged = header[: len(header) - position] + digit + header[len(header) - position + 1 :]
        assert (
            await world.failure(changed(good, headers={**good.headers, "authorization": forged}))
            is F.SIGNATURE_MISMATCH
        )


async def test_missing_and_incomplete(world: World) -> None:
    good = signed(world.keys)
    bare = {k: v for k, v in good.headers.items() if k != "authorization"}
    assert await world.failure(changed(good, headers=bare)) is F.MISSING
    assert await world.failure(changed(good, headers={**bare, "authorization": "Basic QVdTOg=="})) is F.MISSING
    for broken in ("AWS4-HMAC-SHA256 ", "AWS4-HMAC-SHA256 Credential=a/b/c, SignedHeaders=host, Signature=0"):
        headers = {**good.headers, "authorization": broken}
        assert await world.failure(changed(good, headers=headers)) is F.INCOMPLETE
    undated = {k: v for k, v in good.headers.items() if k != "x-amz-date"}
    assert await world.failure(changed(good, headers=undated)) is F.INCOMPLETE


@pytest.mark.parametrize(
    "names",
    [
        ";".join(["host"] + ["x-note"] * 1000 + ["x-amz-date"]),
        "x-amz-date;host",
        "host;;x-amz-date",
        "host;host;x-amz-date",
    ],
    ids=["a thousand times", "unsorted", "empty", "twice"],
)
async def test_signed_headers_are_sorted_and_each_is_named_once(world: World, names: str) -> None:
    """A name that came a thousand times would be a thousand copies of its value in what is hashed."""
    good = signed(world.keys)
    header = good.headers["authorization"]
    before, _, rest = header.partition("SignedHeaders=")
    headers = {**good.headers, "authorization": f"{before}SignedHeaders={names},{rest.partition(',')[2]}"}
    assert await world.failure(changed(good, headers=headers)) is F.INCOMPLETE


async def test_an_unsigned_header_of_aws_is_refused_beside_a_presigned_url_too(world: World) -> None:
    good = signed(world.keys, presigned=60)
    await world.authenticate(changed(good, headers={**good.headers, "accept": "*/*"}))
    added = changed(good, headers={**good.headers, "x-amz-target": "AmazonEC2ContainerServiceV20141113.DeleteCluster"})
    assert await world.failure(added) is F.SIGNATURE_MISMATCH


@pytest.mark.parametrize(("signed_as", "sent_as"), [("a%2Bb", "a+b"), ("%EF%BF%BD", "%E9"), ("%E9", "%C3%A9")])
async def test_queries_that_are_read_differently_are_signed_differently(
    world: World, signed_as: str, sent_as: str
) -> None:
    good = our_own(world, f"UserName={signed_as}")
    await world.authenticate(good)
    assert await world.failure(changed(good, query=f"UserName={sent_as}")) is F.SIGNATURE_MISMATCH


async def test_a_plus_in_a_query_is_a_space(world: World) -> None:
    await world.authenticate(changed(our_own(world, "UserName=a%20b"), query="UserName=a+b"))


async def test_a_signature_is_anything_that_a_client_writes(world: World) -> None:
    good = signed(world.keys)
    headers = {**good.headers, "authorization": good.headers["authorization"] + "\xe9"}
    assert await world.failure(changed(good, headers=headers)) is F.SIGNATURE_MISMATCH
    query = signed(world.keys, presigned=60).query
    assert await world.failure(changed(good, headers={}, query=f"{query}%C3%A9")) is F.SIGNATURE_MISMATCH
    query = query.replace("X-Amz-Algorithm=", "Not-X-Amz-Algorithm=")
    assert await world.failure(changed(good, headers={}, query=query)) is F.INCOMPLETE


@pytest.mark.parametrize("presigned", [None, 604800])
async def test_the_last_second_that_there_is(world: World, presigned: int | None) -> None:
    good = signed(world.keys, presigned=presigned)
    date = good.headers.get("x-amz-date") or good.query.partition("X-Amz-Date=")[2][:16]
    headers = {n: v.replace(date, "99991231T235959Z").replace(date[:8], "99991231") for n, v in good.headers.items()}
    query = good.query.replace(date, "99991231T235959Z").replace(date[:8], "99991231")
    assert await world.failure(changed(good, headers=headers, query=query)) is F.EXPIRED_SIGNATURE


async def test_unknown_keys_and_wrong_secrets(world: World) -> None:
    assert await world.failure(signed(Credentials("AKIAUNKNOWN", "x"))) is F.UNKNOWN_KEY
    assert await world.failure(signed(Credentials(world.keys.access_key, "wrong"))) is F.SIGNATURE_MISMATCH


async def test_clock_skew(world: World) -> None:
    request = signed(world.keys)
    now = world.clock.moment
    for minutes, good in ((4, True), (-4, True), (6, False), (-6, False)):
        world.clock.moment = now + timedelta(minutes=minutes)
        if good:
            await world.authenticate(request)
        else:
            assert await world.failure(request) is F.EXPIRED_SIGNATURE


async def test_presigned_urls_live_as_long_as_they_say(world: World) -> None:
    request = signed(world.keys, presigned=60)
    await world.authenticate(request)
    world.clock.moment += timedelta(seconds=59)
    await world.authenticate(request)
    world.clock.moment += timedelta(seconds=10)
    assert await world.failure(request) is F.EXPIRED_SIGNATURE
    tampered = changed(request, query=request.query.replace("X-Amz-Expires=60", "X-Amz-Expires=6000"))
    assert await world.failure(tampered) is F.SIGNATURE_MISMATCH


@pytest.mark.parametrize("seconds", ["0", "604801", "-1", "soon"])
async def test_presigned_urls_with_impossible_lives(world: World, seconds: str) -> None:
    request = signed(world.keys, presigned=60)
    query = request.query.replace("X-Amz-Expires=60", f"X-Amz-Expires={seconds}")
    assert await world.failure(changed(request, query=query)) is F.INCOMPLETE


def one_character_off(token: str) -> str:
    middle = len(token) // 2
    swapped = "A" if token[middle] != "A" else "B"
    return token[:middle] + swapped + token[middle + 1 :]


async def test_session_tokens(world: World) -> None:
    keys = session_of(world, timedelta(hours=1))
    token = str(keys.token)
    caller = await world.authenticate(signed(keys))
    assert str(caller.principal.arn) == "arn:aws:sts::111111111111:assumed-role/worker/task"
    assert caller.principal.identity_arn == ROLE
    other = Credentials("ASIAOTHER", keys.secret_key, token)
    assert await world.failure(signed(other)) is F.INVALID_TOKEN
    forged = Credentials(keys.access_key, keys.secret_key, one_character_off(token))
    assert await world.failure(signed(forged)) is F.INVALID_TOKEN
    stolen = Credentials(keys.access_key, "guess", token)
    assert await world.failure(signed(stolen)) is F.SIGNATURE_MISMATCH
    unsealed = Credentials(keys.access_key, keys.secret_key)
    assert await world.failure(signed(unsealed)) is F.UNKNOWN_KEY
    request = signed(keys)
    world.clock.moment += timedelta(hours=2)
    assert await world.failure(request) is F.EXPIRED_SIGNATURE


async def test_session_tokens_in_presigned_urls(world: World) -> None:
    keys, another = session_of(world, timedelta(minutes=1)), session_of(world, timedelta(minutes=1))
    request = signed(keys, presigned=3600)
    written = f"X-Amz-Security-Token={quote(str(keys.token), safe='')}"
    assert written in request.query
    caller = await world.authenticate(request)
    assert str(caller.principal.arn) == "arn:aws:sts::111111111111:assumed-role/worker/task"
    assert caller.principal.identity_arn == ROLE

    def with_token(token: str) -> SignableRequest:
        return changed(request, query=request.query.replace(written, f"X-Amz-Security-Token={quote(token, safe='')}"))

    assert await world.failure(with_token(one_character_off(str(keys.token)))) is F.INVALID_TOKEN
    assert await world.failure(with_token(str(another.token))) is F.INVALID_TOKEN
    removed = changed(request, query=request.query.replace(f"{written}&", "").replace(f"&{written}", ""))
    assert "X-Amz-Security-Token" not in removed.query
    assert await world.failure(removed) is F.UNKNOWN_KEY
    in_a_header = changed(removed, headers={**removed.headers, "x-amz-security-token": str(keys.token)})
    assert await world.failure(in_a_header) is F.UNKNOWN_KEY, "a presigned URL carries its token itself"
    stolen = Credentials(keys.access_key, "guess", keys.token)
    assert await world.failure(signed(stolen, presigned=3600)) is F.SIGNATURE_MISMATCH
    world.clock.moment += timedelta(minutes=2)
    assert await world.failure(request) is F.EXPIRED_TOKEN, "the URL is good for an hour, its session is over"


async def test_an_expired_session_with_a_fresh_signature(world: World) -> None:
    assert await world.failure(signed(session_of(world, timedelta(seconds=-1)))) is F.EXPIRED_TOKEN


async def test_authorisation_follows_the_policy_in_the_next_request(world: World) -> None:
    caller = await world.authenticate(signed(world.keys))

    async def allowed(action: str) -> bool:
        async with world.store.snapshot() as tx:
            try:
                await world.keeper.at(tx).authorise(caller.principal, action, ["*"])
            except AccessDenied:
                return False
            return True

    assert await allowed("ecs:ListClusters")
    assert not await allowed("ecs:RunTask")
    async with world.store.transaction() as tx:
        await tx.execute(update(inline_policies).values(document=POLICY.replace("List", "Run")))
        await touch_account(tx, "1" * 12)
    assert not await allowed("ecs:ListClusters")
    assert await allowed("ecs:RunTask")


def test_the_master_key_is_private_and_fits_only_its_own_data(tmp_path: Path) -> None:
    path = tmp_path / "master.key"
    key = MasterKey.load_or_create(path)
    assert path.stat().st_mode & 0o777 == 0o600
    sealed = key.encrypt(b"secret", "here")
    assert MasterKey.load_or_create(path).decrypt(sealed, "here") == b"secret"
    with pytest.raises(MasterKeyError):
        key.decrypt(sealed, "elsewhere")
    path.chmod(0o644)
    with pytest.raises(MasterKeyError, match="chmod 600"):
        MasterKey.load(path)


def test_a_master_key_that_could_not_be_written_is_made_the_next_time(tmp_path: Path) -> None:
    path, limits = tmp_path / "master.key", resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            MasterKey.load_or_create(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    sealed = MasterKey.load_or_create(path).encrypt(b"secret", "here")
    assert MasterKey.load(path).decrypt(sealed, "here") == b"secret"
    assert list(tmp_path.iterdir()) == [path]


def test_two_servers_that_make_the_master_key_have_the_same_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, fdopen, others = tmp_path / "master.key", os.fdopen, list[MasterKey]()

    def meanwhile(*arguments: Any) -> Any:
        monkeypatch.setattr(os, "fdopen", fdopen)
        others.append(MasterKey.load_or_create(path))
        return fdopen(*arguments)

    monkeypatch.setattr(os, "fdopen", meanwhile)
    own = MasterKey.load_or_create(path)
    (other,) = others
    assert other.decrypt(own.encrypt(b"secret", "here"), "here") == b"secret"
