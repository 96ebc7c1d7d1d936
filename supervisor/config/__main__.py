"""The reader's process: ``python .../config/__main__.py FILE HOSTNAME [KEY=VALUE]...``; its end of ``apart``.

Promises: the answer, packed, on standard output and exit code 0, or another exit code; bounded in memory and time, and
the OOM killer's first choice, so that no file can hurt the daemon. Does not: write anything else on standard output.
"""

import os
import resource
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if __package__ in {None, ""}:
    # Neither the working directory nor ours is in the path (-P). The package is found once; from then on it knows itself.
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    import supervisor  # noqa: F401 # for the next imports, wherever it is installed

    sys.path.pop(0)

from supervisor.config.apart import TIMEOUT_SECONDS, pack
from supervisor.config.problems import ConfigError, Problem

if TYPE_CHECKING:
    from supervisor.config.apart import Answer

MEMORY_BYTES = 4 << 30
PATIENCE_SECONDS = 10.0
"""For a file that somebody writes as we read it."""


def main() -> None:
    """Read, answer, end."""
    _be_bounded()
    answer_fd = os.dup(1)
    os.dup2(2, 1)
    path, hostname = Path(sys.argv[1]), sys.argv[2]
    packed = pack(_answer(path, hostname, dict(word.split("=", 1) for word in sys.argv[3:])))
    with os.fdopen(answer_fd, "wb") as pipe:
        pipe.write(packed)


def _answer(path: Path, hostname: str, given: dict[str, str]) -> "Answer":
    from supervisor.config.lastgood import load_last_good  # noqa: PLC0415 # within the bounds, too
    from supervisor.config.load import load  # noqa: PLC0415

    node, running_as, root_only = given.get("node"), given.get("running_as"), "root_only" in given
    try:
        if last_good := given.get("last_good"):
            return load_last_good(
                Path(last_good), path, environ=os.environ, hostname=hostname, node=node, root_only=root_only
            )
        return load(
            path, environ=os.environ, hostname=hostname, node=node, running_as=running_as, root_only=root_only,
            patience_seconds=PATIENCE_SECONDS,
            content=sys.stdin.buffer.read() if "content" in given else None,
        )  # fmt: skip
    except ConfigError as error:
        return error.problems, error.files
    except MemoryError:
        message = f"reading this file takes more than {MEMORY_BYTES >> 30} GB of memory"
        problem = Problem(file=str(path), line=1, column=1, message=message, remedy="split it, or use fewer aliases")
        return (problem,), (path.absolute(),)


def _be_bounded() -> None:
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CPU, (int(TIMEOUT_SECONDS), int(TIMEOUT_SECONDS)))
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")


if __name__ == "__main__":
    main()
