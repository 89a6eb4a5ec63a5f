"""What a session token costs: to give out, and to open with every request that is signed with it. Beside it: a JWE of the same contents.

Ours is AES-256-GCM over JSON (`access/sealing.py`); the peer is joserfc's compact JWE with the same cipher and a key that is used directly.
Verifying a web identity token is the RSA signature and the claims, with the provider's keys in memory.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import process_time
from types import MappingProxyType

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import msgspec
from benchmarks.support import machine_facts, print_facts, print_table
from joserfc import jwe, jwt
from joserfc.jwk import OctKey, RSAKey

from roadstead.access.master_key import MasterKey
from roadstead.access.principal import Principal
from roadstead.access.principal_record import PrincipalRecord
from roadstead.access.sealing import Sealer
from roadstead.access.sealing_keys import StoredKey
from roadstead.access.sessions import SessionPayload, issue_session, open_session, role_session
from roadstead.core.web_identity import web_identity
from roadstead.kernel.arn import Arn
from roadstead.kernel.clock import SystemClock
from roadstead.services.sts.web_token import read_keys, read_token, verify

ROLE = Arn(service="iam", region="", account="111122223333", resource="role/deploy/web")
POLICY = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": [f"ecs:{verb}*" for verb in ("Describe", "List", "Run", "Stop")],
                "Resource": "*",
            },
            {"Effect": "Deny", "Action": "ecs:Delete*", "Resource": "arn:aws:ecs:*:111122223333:cluster/prod-*"},
        ],
    }
)
ROUNDS, SECONDS = 5, 0.5


def microseconds(work: Callable[[], object]) -> float:
    """Processor time of one call, the best of some rounds."""
    best = float("inf")
    for _ in range(ROUNDS):
        started, count = process_time(), 0
        while process_time() - started < SECONDS / ROUNDS:
            work()
            count += 1
        best = min(best, (process_time() - started) / count)
    return best * 1e6


def sealer() -> Sealer:
    """One key, as in a new deployment."""
    master, key_id = MasterKey(b"m" * 32), b"k" * 8
    wrapped = master.encrypt(b"s" * 32, f"sealing-key:{key_id.hex()}")
    return Sealer(master, SystemClock(), [StoredKey(key_id, wrapped, datetime.now(UTC))])


def sessions(ours: Sealer, principal: Principal) -> list[list[str]]:
    """Rows for one kind of session."""
    issued = issue_session(ours, principal)
    contents = msgspec.json.encode(SessionPayload(secret="x" * 40, principal=PrincipalRecord.of(principal)))
    key, header = OctKey.import_key(b"s" * 32), {"alg": "dir", "enc": "A256GCM"}
    peer = jwe.encrypt_compact(header, contents, key)

    def peer_opens() -> object:
        found = jwe.decrypt_compact(peer, key).plaintext or b""
        return msgspec.json.decode(found, type=SessionPayload).principal.principal()

    rows = [
        ("give out", lambda: issue_session(ours, principal), lambda: jwe.encrypt_compact(header, contents, key)),
        ("open", lambda: open_session(ours, issued.session_token, issued.access_key_id), peer_opens),
    ]
    found: list[list[str]] = []
    for name, mine, other in rows:
        one, two = microseconds(mine), microseconds(other)
        found.append([name, f"{one:.1f} µs", f"{two:.1f} µs", f"{two / one:.1f}"])
    size = len(issued.session_token)
    found.append(["characters", str(size), str(len(peer)), f"{len(peer) / size:.1f}"])
    return found


def web_tokens() -> str:
    """Microseconds to verify one."""
    key, now = RSAKey.generate_key(2048, {"kid": "1"}), time.time()
    keys = read_keys(json.dumps({"keys": [key.as_dict(private=False)]}).encode())
    claims = {
        "iss": "https://i",
        "sub": "system:serviceaccount:default:web",
        "aud": "a",
        "iat": int(now),
        "exp": int(now) + 600,
    }
    text = jwt.encode({"alg": "RS256", "kid": "1"}, claims, key)

    def ours() -> object:
        token = read_token(text)
        verify(token, [each for each in keys if each.fits(token.header)])
        return web_identity(token.claims, ["a"], now)

    return f"{microseconds(ours):.0f} µs"


def main() -> None:
    """Print the tables."""
    ours, now = sealer(), datetime.now(UTC)
    plain = role_session(
        role=ROLE, role_id="AROAAAAAAAAAAAAAAAAA", session_name="work", now=now, expires=now + timedelta(hours=1)
    )
    tags = MappingProxyType({f"team{n}": "red" for n in range(5)})
    limited = replace(plain, session_policies=(POLICY,), session_tags=dict(tags))
    print_facts(machine_facts())
    header = ["", "ours", "joserfc JWE", "peer/ours"]
    for title, principal in (("a role's session", plain), ("with a session policy and five tags", limited)):
        print(f"\n{title}")
        print_table(header, sessions(ours, principal))
    print(f"\nverify a web identity token (RS256, keys in memory): {web_tokens()}")


if __name__ == "__main__":
    main()
