"""A daemon of a few runs, alone in a cgroup of its own: ``python -m tests.guardian.limited CGROUP STATE_DIR EXTRAS CODE``.

Prints, as JSON, how the run ended, what it said, and where the daemon and the guardian were then.
"""

import asyncio
import json
import os
import sys
from pathlib import Path

from supervisor.core import events
from tests.guardian.harness import Duty, on_duty, until


async def main(directory: str, state: str, extras: str, code: str) -> dict[str, object]:
    """Enter the cgroup, start a guardian, run the code with these extras."""
    Path(directory, "cgroup.procs").write_text(str(os.getpid()))
    async with on_duty(Path(state)) as duty:
        found = await one_run(duty, json.loads(extras), code)
        again = await one_run(duty, json.loads(extras), code)
        where = {
            name: Path(f"/proc/{pid}/cgroup").read_text() for name, pid in (("daemon", "self"), ("guardian", duty.pid))
        }
    return {"first": found, "second": again, **where}


async def one_run(duty: Duty, extras: dict[str, object], code: str) -> dict[str, object]:
    """How it ended and what it said."""
    read_fd, write_fd = os.pipe()
    run = duty.begin(sys.executable, "-S", "-c", code, out=write_fd, extras=extras)
    os.close(write_fd)
    await until(lambda: any(isinstance(e, events.Exited | events.SpawnFailed) and e.run == run for e in duty.news))
    duty.link.kill(run)
    words = os.read(read_fd, 65536).decode()
    os.close(read_fd)
    for event in duty.news:
        if isinstance(event, events.SpawnFailed) and event.run == run:
            return {"failed": event.detail}
    exited = await duty.expect(events.Exited, run)
    return {"said": words, "code": exited.code, "signal": exited.signal, "oom_killed": exited.oom_killed}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(main(*sys.argv[1:]))) + "\n")
