"""One target in a process of its own: ``python -m tests.fuzz.one TARGET [libFuzzer's arguments]``.

Promises: with atheris (the extra ``fuzz``) what is tried next is led by the coverage of the product's code; without it, inputs are
made by blind changes of the seeds, and it says so. A finding is written beside the corpus and ends it with a code that is not 0.
"""

import random
import re
import signal
import sys
import time
import traceback
from pathlib import Path
from types import FrameType

HANG_SECONDS = 20


def main(argv: list[str]) -> int:
    """Fuzz until the time is over, or until something is found."""
    try:
        import atheris
    except ImportError:
        return blind(argv)
    with atheris.instrument_imports(include=["supervisor"]):
        from tests.fuzz.targets import TARGETS
    atheris.Setup(argv[1:], TARGETS[argv[1]])
    atheris.Fuzz()
    return 0


def blind(argv: list[str]) -> int:
    """As libFuzzer's arguments say, without its feedback."""
    from tests.fuzz.targets import MOST_BYTES, TARGETS

    target, told = TARGETS[argv[1]], dict(re.findall(r"^-(\w+)=(.*)$", "\n".join(argv), re.MULTILINE))
    seeds = [p.read_bytes() for d in argv[2:] if not d.startswith("-") for p in Path(d).iterdir()] or [b""]
    end, count, chance = time.monotonic() + float(told["max_total_time"]), 0, random.Random()
    signal.signal(signal.SIGALRM, _hangs)
    print("no atheris: blind changes of the seeds, without feedback", file=sys.stderr)
    while time.monotonic() < end:
        data = changed(chance.choice(seeds), chance.choice(seeds), chance)[:MOST_BYTES]
        signal.alarm(HANG_SECONDS)
        try:
            target(data)
        except Exception:  # noqa: BLE001 # whatever it is, it is what we look for
            traceback.print_exc()
            Path(f"{told['artifact_prefix']}crash-{count}").write_bytes(data)
            return 1
        count += 1
    signal.alarm(0)
    print(f"stat::number_of_executed_units: {count}", file=sys.stderr)
    return 0


def changed(one: bytes, other: bytes, chance: random.Random) -> bytes:
    """A few changes, each of a kind that parsers do not like."""
    data = bytearray(one)
    for _ in range(chance.randint(1, 6)):
        at = chance.randint(0, len(data))
        match chance.randint(0, 4):
            case 0:
                data[at:at] = chance.randbytes(chance.randint(1, 4))
            case 1:
                del data[at : at + chance.randint(1, 8)]
            case 2:
                data[at:at] = other[: chance.randint(0, len(other))]
            case 3:
                data[at : at + 1] = chance.choice((b"\xff", b"\0", b"9" * 30, b'"', b"{", b"[" * 50, b"\n", b"\x1b["))
            case _:
                data = data[:at] * 2
    return bytes(data)


def _hangs(_number: int, _frame: FrameType | None) -> None:
    raise TimeoutError(f"one input took more than {HANG_SECONDS} s")


if __name__ == "__main__":
    sys.exit(main(sys.argv))
