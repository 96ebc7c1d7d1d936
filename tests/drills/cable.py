"""A bad cable: two TAP devices, every frame carried from one to the other late, and some not at all.

Run by path: ``cable.py NEAR FAR DELAY_SECONDS LOSS SEED``. Prints ``ready`` when both devices exist. They vanish with
this process. A descriptor stays with its device when that moves to another network namespace, which is how one process
holds both ends. Frames are whole and checksummed here, since no offload is offered.
"""

import fcntl
import heapq
import itertools
import os
import random
import select
import struct
import sys
import time

_TUNSETIFF = 0x400454CA
_TAP_WITHOUT_HEADER = 0x0002 | 0x1000
_FRAME_BYTES = 65536


def _tap(name: str) -> int:
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(fd, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _TAP_WITHOUT_HEADER))
    return fd


def main() -> None:
    """Carry frames until killed."""
    near, far = _tap(sys.argv[1]), _tap(sys.argv[2])
    delay, loss, chance = float(sys.argv[3]), float(sys.argv[4]), random.Random(int(sys.argv[5]))
    other = {near: far, far: near}
    waiting: list[tuple[float, int, int, bytes]] = []
    order = itertools.count()
    print("ready", flush=True)
    while True:
        patience = max(0.0, waiting[0][0] - time.monotonic()) if waiting else None
        readable, _, _ = select.select(list(other), [], [], patience)
        now = time.monotonic()
        for fd in readable:
            try:
                frame = os.read(fd, _FRAME_BYTES)
            except OSError:
                time.sleep(0.001)  # the device is down just now
                continue
            if chance.random() >= loss:
                heapq.heappush(waiting, (now + delay, next(order), other[fd], frame))
        while waiting and waiting[0][0] <= now:
            _, _, fd, frame = heapq.heappop(waiting)
            try:
                os.write(fd, frame)
            except OSError:
                continue  # down, or full: a cable does not say so


if __name__ == "__main__":
    main()
