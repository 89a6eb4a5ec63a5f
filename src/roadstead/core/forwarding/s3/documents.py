"""The XML bodies that permissions depend on: what DeleteObjects deletes, tags, a bucket's location."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from roadstead.core.forwarding.s3.errors import MalformedXML
from roadstead.core.forwarding.s3.places import Place, spellings

_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
_MAX_OBJECTS = 1000
_MALFORMED = "The XML you provided was not well-formed or did not validate against our published schema."
_START = re.compile(rb"<DeleteResult(?:\s[^<>]*[^<>/]|)>")
_END = b"</DeleteResult>"


@dataclass(frozen=True, slots=True)
class Deletion:
    """One object of DeleteObjects; `more` are its further conditions (`ETag`, `Size`, `LastModifiedTime`)."""

    place: Place
    more: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Denied:
    """An object that may not be deleted, and what its sender is told."""

    place: Place
    message: str


def deletions(bucket: str, body: bytes) -> tuple[list[Deletion], bool]:
    """The objects that DeleteObjects names, and whether it wants to hear of failures only; raises MalformedXML and InvalidURI."""
    root = _parsed(body, "Delete")
    quiet = False
    found: list[Deletion] = []
    for child in root:
        if _name(child) == "Quiet":
            quiet = (child.text or "").strip() == "true"
        elif _name(child) == "Object":
            found.append(_deletion(bucket, child))
    if not 0 < len(found) <= _MAX_OBJECTS:
        raise MalformedXML(_MALFORMED)
    return found, quiet


def deletion_document(objects: Sequence[Deletion], *, quiet: bool) -> bytes:
    """The body of a DeleteObjects of these objects."""
    parts = [f'<Delete xmlns="{_NAMESPACE}">']
    for each in objects:
        place = each.place
        parts.append(f"<Object><Key>{escape(place.key or '')}</Key>")
        if place.version is not None:
            parts.append(f"<VersionId>{escape(place.version)}</VersionId>")
        parts.extend(f"<{name}>{escape(value)}</{name}>" for name, value in each.more)
        parts.append("</Object>")
    parts.append(f"<Quiet>{'true' if quiet else 'false'}</Quiet></Delete>")
    return "".join(parts).encode()


def with_denied(answer: bytes, denied: Sequence[Denied]) -> bytes:
    """A DeleteResult with what was denied added; an empty `answer` makes one of that alone."""
    errors = "".join(_error(each) for each in denied).encode()
    if not answer.strip():
        head = f'<?xml version="1.0" encoding="UTF-8"?>\n<DeleteResult xmlns="{_NAMESPACE}">'.encode()
        return head + errors + _END
    opened = _START.search(answer)
    if opened is not None:
        return answer[: opened.end()] + errors + answer[opened.end() :]
    _parsed(answer, "DeleteResult")  # an empty element: a quiet request has nothing to hear of what was deleted
    return with_denied(b"", denied)


def tags_of(body: bytes) -> dict[str, str]:
    """The tags in a Tagging document or a CreateBucketConfiguration; raises MalformedXML."""
    if not body.strip():
        return {}
    found: dict[str, str] = {}
    for element in _parsed(body).iter():
        if _name(element) == "Tag":
            texts = {_name(child): child.text or "" for child in element}
            found[texts.get("Key", "")] = texts.get("Value", "")
    return found


def location_of(body: bytes) -> str | None:
    """The LocationConstraint of CreateBucket; raises MalformedXML."""
    if not body.strip():
        return None
    found = (element.text for element in _parsed(body).iter() if _name(element) == "LocationConstraint")
    return next(found, None)


def _deletion(bucket: str, element: ElementTree.Element) -> Deletion:
    texts = {_name(child): child.text or "" for child in element}
    key, version = texts.pop("Key", ""), texts.pop("VersionId", None)
    if not key:
        raise MalformedXML(_MALFORMED)
    spellings(key)
    return Deletion(Place(bucket, key, version or None), tuple(texts.items()))


def _error(denied: Denied) -> str:
    version = f"<VersionId>{escape(denied.place.version)}</VersionId>" if denied.place.version else ""
    return (
        f"<Error><Key>{escape(denied.place.key or '')}</Key>{version}"
        f"<Code>AccessDenied</Code><Message>{escape(denied.message)}</Message></Error>"
    )


def _parsed(body: bytes, root: str | None = None) -> ElementTree.Element:
    if b"<!" in body:  # no document of S3's has a DTD, and entities could be made to grow
        raise MalformedXML(_MALFORMED)
    try:
        element = ElementTree.fromstring(body)  # noqa: S314 - without a DTD there are no entities to expand
    except ElementTree.ParseError as error:
        raise MalformedXML(_MALFORMED) from error
    if root is not None and _name(element) != root:
        raise MalformedXML(_MALFORMED)
    return element


def _name(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]
