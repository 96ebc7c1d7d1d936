"""Cutting, prefixing and neutralising text of children."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor.processes.lines import MAX_LINE_BYTES, LineCutter, last_lines, neutralise, prefix_lines


def feed_all(data: bytes, size: int) -> list[bytes]:
    cutter = LineCutter()
    blocks = [cutter.feed(data[start : start + size]) for start in range(0, len(data), size)]
    return [block for block in [*blocks, cutter.flush()] if block]


@given(st.lists(st.binary(max_size=40), max_size=20))
def test_chunks_come_out_as_the_same_text_in_whole_lines(chunks: list[bytes]) -> None:
    cutter = LineCutter()
    blocks = [cutter.feed(chunk) for chunk in chunks]
    text = b"".join(chunks)
    assert all(block.endswith(b"\n") for block in blocks if block)
    assert b"".join(blocks) == text[: text.rfind(b"\n") + 1]
    assert b"".join(blocks) + cutter.flush() == (text if text.endswith(b"\n") or not text else text + b"\n")


@pytest.mark.parametrize("size", [1000, 4097, 65536])
@pytest.mark.parametrize("extra", [-1, 0, 1, MAX_LINE_BYTES, MAX_LINE_BYTES + 1])
def test_a_long_line_is_cut_into_pieces(size: int, extra: int) -> None:
    long = b"x" * (MAX_LINE_BYTES + extra)
    lines = b"".join(feed_all(b"before\n" + long + b"\nafter\n", size)).splitlines()
    assert lines[0] == b"before"
    assert lines[-1] == b"after"
    assert b"".join(lines[1:-1]) == long
    assert [len(line) for line in lines[1:-2]] == [MAX_LINE_BYTES] * (len(lines) - 3)
    assert 0 < len(lines[-2]) <= MAX_LINE_BYTES


def test_a_line_that_never_ends_is_bounded() -> None:
    lines = b"".join(feed_all(b"y" * 300_000, 65536)).splitlines()
    assert [len(line) for line in lines] == [65536] * 4 + [300_000 - 4 * 65536]


def test_prefix() -> None:
    assert prefix_lines(b"a\n\nb\n", b"p | ") == b"p | a\np | \np | b\n"
    assert prefix_lines(b"", b"p | ") == b""


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (b"plain\ttext\n", b"plain\ttext\n"),
        (b"\x1b[2J\x1b]0;title\x07\n", b"\\x1b[2J\\x1b]0;title\\x07\n"),
        (b"10%\r20%\r\n", b"10%\\x0d20%\n"),
        ("größe 漢字\n".encode(), "größe 漢字\n".encode()),
        (b"\x9b31m\n", b"\\x9b31m\n"),
        ("\x9b31m\n".encode(), b"\\x9b31m\n"),
        ("a\u202eb\n".encode(), b"a\\u202eb\n"),
        (b"\xff\xfe\x00\n", b"\\xff\\xfe\\x00\n"),
    ],
)
def test_neutralise(raw: bytes, shown: bytes) -> None:
    assert neutralise(raw) == shown


@given(st.binary())
def test_neutralise_never_raises_and_keeps_the_lines(raw: bytes) -> None:
    shown = neutralise(raw)
    assert shown.count(b"\n") == raw.count(b"\n")
    assert not any(byte < 0x20 and byte not in b"\t\n" for byte in shown)


@pytest.mark.parametrize(
    ("block", "max_bytes", "kept"),
    [
        (b"one\ntwo\nthree\n", 100, b"one\ntwo\nthree\n"),
        (b"one\ntwo\nthree\n", 10, b"two\nthree\n"),
        (b"one\ntwo\nthree\n", 9, b"three\n"),
        (b"one\ntwo\nthree\n", 6, b"three\n"),
        (b"one\ntwo\nthree\n", 3, b"ee\n"),
        (b"one\n", 0, b""),
        (b"", 5, b""),
    ],
)
def test_last_lines(block: bytes, max_bytes: int, kept: bytes) -> None:
    assert last_lines(block, max_bytes) == kept
