from __future__ import annotations

import pytest
from botocore.exceptions import DataNotFoundError
from botocore.loaders import Loader

from roadstead.gateway.models import SERVICES, UnknownModel, every_service, our_services, service_model
from roadstead.gateway.models.loader import OVERLAYS, merge_overlay, read_description
from roadstead.gateway.protocols import HttpRequest, codecs


def test_what_only_amazons_agent_sends_is_read() -> None:
    body = (
        b'{"cluster":"default","clientToken":"t","softwareManifest":{"any":["thing"]},'
        b'"totalResources":[{"name":"CPU","type":"INTEGER","integerValue":2048}]}'
    )
    operation = service_model("ecs").operation_model("RegisterContainerInstance")
    parsed = codecs.json_codec("1.1").parse_request(operation, HttpRequest("POST", "/", "", {}, body))
    assert parsed["clientToken"] == "t"
    assert parsed["softwareManifest"] == {"any": ["thing"]}


def test_what_only_amazons_agent_reads_is_written() -> None:
    operation = service_model("ecs").operation_model("DiscoverPollEndpoint")
    assert operation.input_shape is not None
    assert "zoneId" in operation.input_shape.members
    response = codecs.json_codec("1.1").serialize_response(operation, {"systemLogsEndpoint": "https://x"}, "r")
    assert response.body == b'{"systemLogsEndpoint":"https://x"}'


def test_each_overlay_is_of_a_service_and_says_something_new() -> None:
    for path in OVERLAYS.glob("*.json"):
        assert path.stem in SERVICES
        assert service_model(path.stem).operation_names


def test_an_overlay_may_not_change_what_the_model_says() -> None:
    base: dict[str, object] = {"shapes": {"A": {"type": "string"}}, "list": [1]}
    merge_overlay(base, {"shapes": {"B": {"type": "string"}, "A": {"type": "string"}}, "list": [2]})
    assert base == {"shapes": {"A": {"type": "string"}, "B": {"type": "string"}}, "list": [1, 2]}
    with pytest.raises(ValueError, match="overlay"):
        merge_overlay(base, {"shapes": {"A": {"type": "long"}}})


def test_our_own_service() -> None:
    service = service_model("roadstead")
    assert service.signing_name == "roadstead"
    assert set(service.operation_names) == {
        "CheckRegistry",
        "CollectRegistryGarbage",
        "CreateAccount",
        "DeleteRegistryAlias",
        "DeleteServiceControlPolicy",
        "DescribeAccount",
        "DescribeHosts",
        "GetGalleryRepository",
        "ListAccounts",
        "ListGalleryRepositories",
        "ListHostResources",
        "PutRegistryAlias",
        "PutServiceControlPolicy",
        "RegisterHost",
        "UpdateHostResourceStatus",
    }
    shapes = [service.shape_for(name) for name in service.shape_names]
    assert all(shape.type_name for shape in shapes)


def test_the_same_models_as_botocore_loads() -> None:
    for name in ("ecs", "ec2", "logs"):
        assert read_description(name)["metadata"] == Loader().load_service_model(name, "service-2")["metadata"]


def test_the_catalog_says_what_the_models_say() -> None:
    for entry in our_services().entries:
        service = service_model(entry.name)
        assert entry.signing_name == service.signing_name
        assert entry.api_version == service.api_version
        assert entry.target_prefix == service.metadata.get("targetPrefix")
        assert list(entry.protocols) == service.metadata["protocols"]


def test_unknown_models() -> None:
    with pytest.raises(UnknownModel):
        service_model("nonsense")
    with pytest.raises(UnknownModel):
        service_model("../ecs")
    with pytest.raises(DataNotFoundError):
        read_description("nonsense")
    assert every_service().by_scope("nonsense") == []
