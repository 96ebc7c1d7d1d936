"""What the page costs the daemon: memory and CPU without `web`, with it and nobody looking, and with one and twenty pages open.

Run from a checkout: ``python bench/page.py [SECONDS]``. Each page here reads all that it is told and forgets it.
"""

import compileall
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack, suppress
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.footprint import children, cpu_seconds, resident_mib
from bench.status_watch import COMMAND, wait_healthy


def read(port: int) -> socket.socket:
    """Open a page's stream, and read it in a thread until it is closed."""
    stream = socket.create_connection(("127.0.0.1", port))
    stream.sendall(b"GET /changes HTTP/1.1\r\nHost: localhost\r\n\r\n")

    def drain() -> None:
        with suppress(OSError):
            while stream.recv(1 << 20):
                pass

    threading.Thread(target=drain, daemon=True).start()
    return stream


def measure(elections: int, seconds: float, *, web: bool) -> None:
    """One daemon; with a page, more and more of them open."""
    with tempfile.TemporaryDirectory(prefix="sv") as scratch, ExitStack() as stack:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        path = Path(scratch) / "file.yaml"
        text = f"web: {{address: 127.0.0.1:{port}}}\n" if web else ""
        path.write_text(text + "elections:\n" + "".join(f"  job-{n}: {{ttl: 10s}}\n" for n in range(elections)))
        argv = [*COMMAND, "run", str(path), "--socket", f"{scratch}/s", "--state-dir", f"{scratch}/state"]
        daemon = stack.enter_context(subprocess.Popen(argv, stdout=subprocess.DEVNULL))
        stack.callback(daemon.terminate)
        wait_healthy(f"{scratch}/s")
        guardian = children(daemon.pid)[0]
        for pages, goal in ((0, 0), (0, 1), (1, 20)) if web else ((0, 0),):
            for _ in range(goal - pages):
                stack.callback(read(port).close)
            time.sleep(4)
            before = cpu_seconds(daemon.pid)
            time.sleep(seconds)
            used = 100 * (cpu_seconds(daemon.pid) - before) / seconds
            held = 1.048576 * (resident_mib(daemon.pid) + resident_mib(guardian))
            what = f"{goal} pages open" if web else "without web"
            print(f"{elections:5} elections  {what:14} {held:6.1f} MB  {used:5.2f} % CPU", flush=True)


if __name__ == "__main__":
    compileall.compile_dir(Path(__file__).parent.parent / "supervisor", quiet=1)
    for count in (1, 1000):
        for asked in (False, True):
            measure(count, float(sys.argv[1]) if len(sys.argv) > 1 else 8.0, web=asked)
