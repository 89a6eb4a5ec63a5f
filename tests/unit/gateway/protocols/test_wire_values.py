"""Timestamps, headers, numbers and text at their edges."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from botocore.model import DenormalizedStructureBuilder
from hypothesis import given
from hypothesis import strategies as st

from roadstead.gateway.models import service_model
from roadstead.gateway.protocols import HttpRequest, codecs
from roadstead.gateway.protocols.errors import SerializationException, UnserialisableResult
from roadstead.gateway.protocols.headers import header_parser, header_writer, split_list
from roadstead.gateway.protocols.timestamps import (
    BadTimestamp,
    from_epoch,
    from_text,
    to_epoch,
    to_iso8601,
    to_rfc822,
)
from roadstead.gateway.protocols.xml_writer import escape

MOMENT = datetime(2026, 11, 23, 8, 0, 0, tzinfo=UTC)
JSON = codecs.json_codec("1.1")


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-23T08:00:00Z",
        "2026-11-23T08:00:00.000Z",
        "2026-11-23T09:00:00+01:00",
        "2026-11-23T08:00:00",
        "20261123T080000Z",
        "Mon, 23 Nov 2026 08:00:00 GMT",
        "1795420800",
        "1795420800.0",
        "1.7954208E9",
    ],
)
def test_every_format_of_a_timestamp(text: str) -> None:
    assert from_text(text) == MOMENT


@pytest.mark.parametrize("text", ["", "yesterday", "NaN", "1e400", "-1e30", "2026-13-01", "9" * 70, "inf"])
def test_what_is_no_timestamp(text: str) -> None:
    with pytest.raises(BadTimestamp):
        from_text(text)


def test_timestamps_are_written_in_utc_with_a_fraction_only_where_there_is_one() -> None:
    assert to_iso8601(MOMENT.astimezone(timezone(timedelta(hours=5)))) == "2026-11-23T08:00:00Z"
    assert to_iso8601(MOMENT.replace(microsecond=120_000)) == "2026-11-23T08:00:00.120Z"
    assert to_iso8601(MOMENT.replace(microsecond=1)) == "2026-11-23T08:00:00.000001Z"
    assert to_rfc822(MOMENT) == "Mon, 23 Nov 2026 08:00:00 GMT"
    assert to_epoch(MOMENT) == 1795420800
    assert isinstance(to_epoch(MOMENT), int)


@given(st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC)))  # noqa: DTZ001
def test_timestamps_survive(moment: datetime) -> None:
    assert from_text(to_iso8601(moment)) == moment
    assert abs(from_epoch(to_epoch(moment)) - moment) < timedelta(milliseconds=1)


@given(st.lists(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1), min_size=1))
def test_header_lists_survive(items: list[str]) -> None:
    shape = DenormalizedStructureBuilder().with_members({"a": {"type": "list", "member": {"type": "string"}}})
    member = shape.build_model().members["a"]
    plain = [item for item in items if "\\" not in item or '"' in item or "," in item]
    assert header_parser(member)(header_writer(member)(plain)) == plain


def test_lists_in_headers() -> None:
    assert split_list('a, "b,c" , "d\\"e",f') == ["a", "b,c", 'd"e', "f"]
    assert split_list("") == []
    dates = {"a": {"type": "list", "member": {"type": "timestamp"}}}
    member = DenormalizedStructureBuilder().with_members(dates).build_model().members["a"]
    assert header_parser(member)(header_writer(member)([MOMENT, MOMENT])) == [MOMENT, MOMENT]
    with pytest.raises(SerializationException):
        split_list('"open')


@given(st.text())
def test_xml_content_is_always_well_formed(text: str) -> None:
    from xml.etree import ElementTree as ET

    assert ET.fromstring(f"<a>{escape(text)}</a>") is not None


def parse(service: str, operation: str, body: bytes) -> dict[str, object]:
    return JSON.parse_request(service_model(service).operation_model(operation), HttpRequest("POST", "/", "", {}, body))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"clusters": "a"}', "Expected list or null"),
        (b'{"clusters": [1]}', "NUMBER_VALUE cannot be converted to String"),
        (b'{"clusters": [true]}', "TRUE_VALUE cannot be converted to String"),
        (b'{"clusters": [{}]}', "Start of structure or map found where not expected."),
        (b'{"clusters": [[]]}', "Start of list found where not expected"),
        (b"[]", "The body is not a JSON object"),
        (b"{", "The body is not well-formed JSON"),
    ],
)
def test_values_of_another_type(body: bytes, message: str) -> None:
    with pytest.raises(SerializationException) as caught:
        parse("ecs", "DescribeClusters", body)
    assert caught.value.message.startswith(message)
    assert caught.value.error_code == "SerializationException"


@pytest.mark.parametrize(
    ("number", "value"), [(b"3", 3), (b"3.0", 3), (b"2147483647", 2**31 - 1), (b"-2147483648", -(2**31))]
)
def test_integers(number: bytes, value: int) -> None:
    assert parse("ecs", "ListTasks", b'{"maxResults": ' + number + b"}") == {"maxResults": value}


@pytest.mark.parametrize(
    "number", [b"3.5", b"2147483648", b'"3"', b"true", b"1e300", b"123456789012345678901234567890"]
)
def test_what_is_no_integer(number: bytes) -> None:
    with pytest.raises(SerializationException):
        parse("ecs", "ListTasks", b'{"maxResults": ' + number + b"}")


def test_text_is_kept_as_it_is() -> None:
    assert parse("ecs", "DescribeClusters", '{"clusters": ["\\u0000é😀\\n"]}'.encode()) == {"clusters": ["\0é😀\n"]}
    assert parse("ecs", "DescribeClusters", b'{"clusters": null, "unknown": 1}') == {}


@pytest.mark.parametrize(
    "result",
    [
        {"clustres": []},
        {"clusters": {}},
        {"clusters": [{"runningTasksCount": "3"}]},
        {"clusters": [{"runningTasksCount": True}]},
        {"clusters": [{"clusterName": b"x"}]},
    ],
)
def test_a_result_that_is_not_of_the_model_is_our_fault(result: dict[str, object]) -> None:
    operation = service_model("ecs").operation_model("DescribeClusters")
    with pytest.raises(UnserialisableResult):
        JSON.serialize_response(operation, result, "r")


def test_naive_datetimes_are_refused() -> None:
    operation = service_model("ecs").operation_model("DescribeTasks")
    with pytest.raises(UnserialisableResult):
        JSON.serialize_response(operation, {"tasks": [{"createdAt": datetime(2026, 1, 1)}]}, "r")  # noqa: DTZ001
