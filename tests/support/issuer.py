"""An identity provider on 127.0.0.1: discovery, keys and tokens, plain or with a certificate of its own authority, and its faults."""

from __future__ import annotations

import contextlib
import ipaddress
import json
import ssl
import time
import uuid
from collections.abc import Generator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha1
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey
from tests.support.http_server import answering

AUDIENCE = "sts.amazonaws.com"
SUBJECT = "system:serviceaccount:default:web"


@dataclass
class Certificates:
    """A host's certificate, the intermediate and the root behind it; the host sends the first two."""

    chain: Path
    key: Path
    root: bytes
    thumbprint: str
    """Of the intermediate."""
    leaf_thumbprint: str


def certificates(folder: Path, host: str = "127.0.0.1") -> Certificates:
    """Fresh ones for a host."""
    root_key, root = _signed("root", None, None, ca=True)
    middle_key, middle = _signed("intermediate", root, root_key, ca=True)
    leaf_key, leaf = _signed(host, middle, middle_key, ca=False)
    chain, key = folder / "chain.pem", folder / "key.pem"
    chain.write_bytes(_pem(leaf) + _pem(middle))
    key.write_bytes(
        leaf_key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return Certificates(chain, key, _pem(root), _thumbprint(middle), _thumbprint(leaf))


def _signed(
    name: str, issuer: x509.Certificate | None, issuer_key: ec.EllipticCurvePrivateKey | None, *, ca: bool
) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]), datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer is not None else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    )
    if not ca:
        names: list[x509.GeneralName] = [x509.DNSName("localhost")]
        with contextlib.suppress(ValueError):
            names.append(x509.IPAddress(ipaddress.ip_address(name)))
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return key, builder.sign(issuer_key or key, hashes.SHA256())


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _thumbprint(certificate: x509.Certificate) -> str:
    return sha1(certificate.public_bytes(serialization.Encoding.DER)).hexdigest()


def rsa_key(bits: int = 2048) -> RSAKey:
    return RSAKey.generate_key(bits, {"kid": uuid.uuid4().hex})


def ec_key(curve: str = "P-256") -> ECKey:
    return ECKey.generate_key(curve, {"kid": uuid.uuid4().hex})


@dataclass
class Issuer:
    """What the provider says; tests change it while it runs."""

    url: str
    keys: list[RSAKey | ECKey]
    documents: dict[str, bytes] = field(default_factory=dict)
    """Answers by path that stand before the usual ones."""
    status: int = 200
    delay: float = 0.0
    asked: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """As in ARNs and condition keys."""
        return self.url.partition("://")[2]

    @property
    def path(self) -> str:
        return "/" + self.name.partition("/")[2]

    def jwks(self) -> dict[str, Any]:
        return {"keys": [key.as_dict(private=False, use="sig") for key in self.keys]}

    def answer(self, path: str) -> bytes | None:
        if path in self.documents:
            return self.documents[path]
        if path == f"{self.path.rstrip('/')}/.well-known/openid-configuration":
            return json.dumps({"issuer": self.url, "jwks_uri": f"{self.url.rstrip('/')}/keys"}).encode()
        if path == f"{self.path.rstrip('/')}/keys":
            return json.dumps(self.jwks()).encode()
        return None

    def count(self, ending: str) -> int:
        return len([path for path in self.asked if path.endswith(ending)])

    def token(self, *, key: RSAKey | ECKey | None = None, alg: str = "RS256", **claims: Any) -> str:
        """A token; claims of None are left out."""
        now = int(time.time())
        given = {"iss": self.url, "sub": SUBJECT, "aud": AUDIENCE, "iat": now, "exp": now + 600, **claims}
        signer = key or self.keys[0]
        header = {"alg": alg, "kid": signer.kid}
        return jwt.encode(header, {name: value for name, value in given.items() if value is not None}, signer, [alg])


class _Handler(BaseHTTPRequestHandler):
    issuer: Issuer

    def do_GET(self) -> None:
        issuer = self.issuer
        issuer.asked.append(self.path)
        time.sleep(issuer.delay)
        body = issuer.answer(self.path)
        self.send_response(issuer.status if body is not None else 404)
        self.send_header("Content-Length", str(len(body or b"")))
        if issuer.status in (301, 302):
            self.send_header("Location", f"{issuer.url}/elsewhere")
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(body or b"")

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""


@contextlib.contextmanager
def issuer(*, path: str = "/id/1", tls: Certificates | None = None) -> Generator[Issuer]:
    """A provider that answers while the context lasts."""

    class Handler(_Handler):
        """Of this provider alone."""

    context = None
    if tls is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tls.chain, tls.key)
    with answering(Handler, context) as port:
        scheme = "http" if context is None else "https"
        Handler.issuer = Issuer(f"{scheme}://127.0.0.1:{port}{path}", [rsa_key()])
        yield Handler.issuer
