from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadstead.registry.routes import Endpoint, InvalidName, Route, find_route
from roadstead.services.ecr.api import is_repository_name

names = st.from_regex(r"[a-z0-9]{2,8}(/[a-z0-9]{1,8}){0,3}", fullmatch=True)


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/v2", Route(Endpoint.BASE)),
        ("/v2/", Route(Endpoint.BASE)),
        ("/v2/a0/manifests/latest", Route(Endpoint.MANIFEST, "a0", "latest")),
        ("/v2/a/b/c/blobs/sha256:0", Route(Endpoint.BLOB, "a/b/c", "sha256:0")),
        ("/v2/a0/blobs/uploads/", Route(Endpoint.UPLOADS, "a0")),
        ("/v2/a0/blobs/uploads", Route(Endpoint.UPLOADS, "a0")),
        ("/v2/a0/blobs/uploads/id", Route(Endpoint.UPLOAD, "a0", "id")),
        ("/v2/a0/tags/list", Route(Endpoint.TAGS, "a0")),
        ("/v2/a0/referrers/sha256:0", Route(Endpoint.REFERRERS, "a0", "sha256:0")),
        ("/v2/_layers/ticket", Route(Endpoint.LAYER, argument="ticket")),
        ("/v2/tags/list/tags/list", Route(Endpoint.TAGS, "tags/list")),
        ("/v2/manifests/manifests/manifests", Route(Endpoint.MANIFEST, "manifests", "manifests")),
        ("/v2/blobs/uploads/blobs/uploads/x", Route(Endpoint.UPLOAD, "blobs/uploads", "x")),
        ("/v2/_catalog", Route(Endpoint.CATALOG, "*")),
        ("/v2/_catalog/x", None),
        ("/v2/a0", None),
        ("/v2/a0/tags/other", None),
        ("/v2/a0/manifests/", None),
        ("/v1/a0/tags/list", None),
        ("/", None),
    ],
)
def test_paths_of_the_specification(path: str, route: Route | None) -> None:
    assert find_route(path) == route


@given(names, st.from_regex(r"[A-Za-z0-9:._-]{1,40}", fullmatch=True))
def test_names_with_slashes_come_back(name: str, argument: str) -> None:
    assert find_route(f"/v2/{name}/manifests/{argument}") == Route(Endpoint.MANIFEST, name, argument)
    assert find_route(f"/v2/{name}/blobs/uploads/{argument}") == Route(Endpoint.UPLOAD, name, argument)


@given(st.text(alphabet="abAB019._-/%: \u00e9\u0131\n\0", max_size=60))
def test_no_path_leads_to_a_name_that_is_none(text: str) -> None:
    for family in ("manifests/x", "blobs/x", "blobs/uploads/", "tags/list"):
        try:
            route = find_route(f"/v2/{text}/{family}")
        except InvalidName:
            continue
        assert route is None or route.endpoint in (Endpoint.BASE, Endpoint.LAYER) or is_repository_name(route.name)
