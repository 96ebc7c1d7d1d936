"""What is kept in memory of a process."""

from hypothesis import given
from hypothesis import strategies as st

from supervisor.processes.lines import printable
from supervisor.processes.tail import TAIL_BYTES, Said, Tail

LINES = st.lists(st.binary(max_size=3000).map(lambda b: b.replace(b"\n", b".") + b"\n"), min_size=1, max_size=20)


@given(st.lists(st.tuples(LINES, st.sampled_from(["stdout", "stderr"]), st.floats(0, 1)), max_size=12))
def test_the_end_is_kept_in_whole_lines_with_stream_and_time(blocks: list[tuple[list[bytes], str, float]]) -> None:
    tail, at, every = Tail(), 0.0, b""
    truth: list[tuple[str, bytes]] = []
    for lines, stream, later in blocks:
        at += later
        tail.add(b"".join(lines), stream, at)
        every += b"".join(lines)
        truth += [(stream, line) for line in lines]
    text = tail.text()
    assert len(text) <= TAIL_BYTES
    assert every.endswith(text)
    assert text == every or len(text) > TAIL_BYTES - 3001
    pieces = tail.pieces()
    assert b"".join(piece.text for piece in pieces) == text
    told = [(piece.stream, line) for piece in pieces for line in piece.text.splitlines(keepends=True) if b"\n" in line]
    count = text.count(b"\n")
    if all(b"\r" not in line for _, line in truth):
        assert told == truth[len(truth) - count :]
    assert [piece.at for piece in pieces] == sorted(piece.at for piece in pieces)
    assert b"".join(piece.text for piece in tail.pieces(lines=3)).count(b"\n") == min(3, count)


def test_by_number_and_by_time() -> None:
    tail = Tail()
    tail.add(b"a\nb\n", "stdout", 1.0)
    tail.add(b"c\n", "stderr", 1.01)
    tail.add(b"d\n", "stderr", 5.0)
    assert tail.pieces(lines=2) == [
        Said(stream="stderr", at=1.01, text=b"c\n"),
        Said(stream="stderr", at=5.0, text=b"d\n"),
    ]
    assert tail.pieces(since=2.0) == [Said(stream="stderr", at=5.0, text=b"d\n")]
    assert tail.pieces(lines=0) == []


def test_streams_that_alternate_cost_no_more_memory() -> None:
    tail = Tail()
    for number in range(100_000):
        tail.add(b"%d\n" % number, ("stdout", "stderr")[number % 2], number * 1e-6)
    assert len(tail._streams) <= 4096
    assert tail.text().endswith(b"\n99999\n")
    assert tail.pieces(lines=1)[0].stream == "stderr"


def test_one_block_larger_than_all_that_is_kept() -> None:
    tail = Tail()
    tail.add(b"old\n", "stdout", 1.0)
    tail.add(b"x" * 40_000 + b"\n" + b"y" * 40_000 + b"\n", "stdout", 2.0)
    assert tail.text() == b"y" * 40_000 + b"\n"


def test_last_lines_are_bounded_and_harmless() -> None:
    lines = printable(b"first\n\x1b[2Jboom\n" + b"z" * 10_000 + b"\n", 2)
    assert lines[0] == "\\x1b[2Jboom"
    assert len(lines[1]) == 500
    assert lines[1].endswith("…")
    assert printable(b"", 3) == ()
    assert printable(b"a\n", 0) == ()
