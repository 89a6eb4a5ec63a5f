"""Clients that move an image between an OCI layout and a registry, each in its own words."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tests.support.clients import Client


@dataclass(frozen=True, slots=True)
class Way:
    """The commands of a client; names in braces stand for registry, image and layouts."""

    login: str
    push: str
    pull: str
    first: str = ""
    """What makes it talk plain HTTP, where that is a setting."""


WAYS = {
    "crane": Way(
        "auth login {host} --username AWS --password-stdin",
        "push {layout} {image}",
        "pull --format oci {image} {layout}",
    ),
    "regctl": Way(
        "registry login {host} --user AWS --pass-stdin",
        "image copy ocidir://{layout}:web {image}",
        "image copy {image} ocidir://{layout}:web",
        "registry set {host} --tls disabled --skip-check",
    ),
    "oras": Way(
        "login --plain-http {host} --username AWS --password-stdin",
        "copy --from-oci-layout --to-plain-http {layout}:web {image}",
        "copy --from-plain-http --to-oci-layout {image} {layout}:web",
    ),
    "skopeo": Way(
        "login --tls-verify=false --username AWS --password-stdin {host}",
        "copy --dest-tls-verify=false oci:{layout}:web docker://{image}",
        "copy --src-tls-verify=false docker://{image} oci:{layout}:web",
    ),
}


@dataclass(frozen=True, slots=True)
class Mover:
    """A client at a registry. `image` has a tag; layouts have one image, `web`."""

    client: Client
    host: str

    def sign_in(self, password: str) -> None:
        """Log in."""
        self._prepare()
        self.client(*self._words(self._way.login), stdin=password)

    def push(self, layout: Path, image: str) -> None:
        """From a layout into the registry."""
        self._prepare()
        self.client(*self._words(self._way.push, image, layout))

    def is_refused(self, layout: Path, image: str) -> str:
        """Push, and fail; what it said."""
        self._prepare()
        return self.client.refused(*self._words(self._way.push, image, layout))

    def pull(self, image: str, layout: Path) -> None:
        """From the registry into a layout that is not there yet."""
        self._prepare()
        self.client(*self._words(self._way.pull, image, layout))
        assert (layout / "index.json").is_file()

    @property
    def _way(self) -> Way:
        return WAYS[self.client.name]

    def _prepare(self) -> None:
        if self._way.first:
            self.client(*self._words(self._way.first))

    def _words(self, command: str, image: str = "", layout: Path | None = None) -> list[str]:
        return [word.format(host=self.host, image=image, layout=layout) for word in command.split()]
