"""Reading tar files that anybody may have written."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadstead.images.archives import tar_index
from roadstead.images.archives.tar_index import BLOCK, TarIndex, entries_of
from roadstead.images.errors import BadArchive

NAMES = st.lists(
    st.text("abcXYZ0-._é", min_size=1, max_size=60).filter(lambda t: t not in (".", "..")), min_size=1, max_size=4
)
FILES = st.dictionaries(NAMES.map("/".join), st.binary(max_size=2000), max_size=6)
FORMATS = st.sampled_from([tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])


def packed(
    files: dict[str, bytes], kind: int = tarfile.PAX_FORMAT, more: Callable[[tarfile.TarFile], None] | None = None
) -> io.BytesIO:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=kind) as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
        if more is not None:
            more(tar)
    return buffer


def link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> Callable[[tarfile.TarFile], None]:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = kind, target
    return lambda tar: tar.addfile(entry)


def header(name: str, size: int, kind: bytes = tarfile.REGTYPE) -> bytes:
    entry = tarfile.TarInfo(name)
    entry.size, entry.type = size, kind
    return entry.tobuf(tarfile.GNU_FORMAT)


@given(FILES, FORMATS)
def test_reads_what_tarfile_writes(files: dict[str, bytes], kind: int) -> None:
    try:
        buffer = packed(files, kind)
    except ValueError:  # ustar has no room for every name
        return
    index = TarIndex.read(buffer, "a.tar")
    for name, content in files.items():
        entry = index.find(name)
        assert entry is not None
        assert buffer.getvalue()[entry.offset : entry.offset + entry.size] == content


@given(FILES, FORMATS, st.data())
def test_whatever_is_done_to_an_archive_is_read_or_refused(
    files: dict[str, bytes], kind: int, data: st.DataObject
) -> None:
    try:
        content = bytearray(packed(files, kind).getvalue())
    except ValueError:
        return
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        entries = list(entries_of(io.BytesIO(cut), "a.tar"))
    except BadArchive:
        return
    assert all(
        0 <= entry.offset <= entry.offset + entry.size <= len(cut) for entry in entries if not entry.is_directory
    )


@given(st.binary(max_size=4 * BLOCK))
def test_noise_is_refused_or_empty(noise: bytes) -> None:
    try:
        list(entries_of(io.BytesIO(noise), "a.tar"))
    except BadArchive:
        return


@given(FILES.filter(bool), st.data())
def test_a_partial_archive_gives_what_is_there(files: dict[str, bytes], data: st.DataObject) -> None:
    whole = packed(files).getvalue()
    cut = whole[: data.draw(st.integers(0, len(whole)))]
    names = [entry.name for entry in entries_of(io.BytesIO(cut), "a.tar", partial=True)]
    assert names == [entry.name for entry in entries_of(io.BytesIO(whole), "a.tar")][: len(names)]


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a/../../x", "a/.."])
def test_a_name_that_leads_out_is_refused(name: str) -> None:
    with pytest.raises(BadArchive, match="leads out of it"):
        TarIndex.read(packed({name: b"x"}), "a.tar")


@pytest.mark.parametrize("target", ["../../etc/passwd", "/etc/passwd", "../.."])
def test_a_link_that_leads_out_is_refused(target: str) -> None:
    with pytest.raises(BadArchive, match="leads out of it"):
        TarIndex.read(packed({}, more=link("a/layer.tar", target)), "a.tar")


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE])
def test_a_link_within_leads_to_its_file(kind: bytes) -> None:
    target = "../b/layer.tar" if kind == tarfile.SYMTYPE else "b/layer.tar"
    entry = TarIndex.read(packed({"b/layer.tar": b"x"}, more=link("a/layer.tar", target, kind)), "a.tar").find(
        "a/layer.tar"
    )
    assert entry is not None
    assert entry.name == "b/layer.tar"


def test_links_in_a_circle_are_refused() -> None:
    index = TarIndex.read(packed({}, more=link("a", "a")), "a.tar")
    with pytest.raises(BadArchive, match="in a circle"):
        index.find("a")


def test_the_same_name_twice_is_refused() -> None:
    with pytest.raises(BadArchive, match="holds 'x' twice"):
        TarIndex.read(packed({"x": b"1"}, more=lambda tar: tar.addfile(tarfile.TarInfo("./x"))), "a.tar")


def test_an_entry_beyond_the_end_is_refused() -> None:
    with pytest.raises(BadArchive, match=r"cut short: 'x' has 8796093022208 bytes"):
        TarIndex.read(io.BytesIO(header("x", 8 << 40)), "a.tar")


@pytest.mark.parametrize("size", ["-1", "99999999999999999999", "x"])
def test_a_size_that_is_none_is_refused(size: str) -> None:
    entry = tarfile.TarInfo("x")
    entry.pax_headers = {"size": size}
    with pytest.raises(BadArchive, match=r"a\.tar has an entry"):
        TarIndex.read(io.BytesIO(entry.tobuf(tarfile.PAX_FORMAT)), "a.tar")


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.XGLTYPE])
def test_a_header_as_large_as_memory_is_refused(kind: bytes) -> None:
    sparse = io.BytesIO(header("x", 1 << 40, kind) + bytes(BLOCK))
    with pytest.raises(BadArchive, match="has a header of 1099511627776 bytes"):
        TarIndex.read(sparse, "a.tar")


def test_a_device_is_refused() -> None:
    entry = tarfile.TarInfo("dev")
    entry.type = tarfile.CHRTYPE
    with pytest.raises(BadArchive, match="neither file, directory nor link"):
        TarIndex.read(packed({}, more=lambda tar: tar.addfile(entry)), "a.tar")


def test_too_many_entries_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tar_index, "MAX_ENTRIES", 3)
    with pytest.raises(BadArchive, match="more than 3 entries"):
        TarIndex.read(packed({str(number): b"" for number in range(4)}), "a.tar")
