"""The thread that reads what children say.

Promises: a pipe is read whenever it has something and whoever takes it lets it be read, whatever the event loop, the disk
or another child is doing; both ends are close-on-exec, the read end is non-blocking; a pipe ends at end of file or at
``close``, and says so once; what its taker raises ends neither the pipe nor the thread.
Does not: understand what comes through, or own the write end: the caller hands it to the guardian and closes it.

A thread and not the event loop: a child's flood never delays a renewal, and a busy loop never holds a child up. Reading a
little is put off for two milliseconds, so that a child that writes letter by letter costs hundreds of reads a second and
not hundreds of thousands.
"""

import asyncio
import contextlib
import errno
import fcntl
import os
import select
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Final

READ_BYTES: Final = 256 * 1024
"""The most that is read at once."""
PIPE_BYTES: Final = 64 * 1024
"""The kernel's own size of a pipe."""
LARGE_PIPE_BYTES: Final = 1024 * 1024
"""What a pipe gets that was found half full; no more than ``pipe-max-size`` allows anyone."""
LARGE_PIPES: Final = 16
"""At most so many larger pipes at a time. Beyond ``pipe-user-pages-soft`` (64 MiB by default) the kernel gives a user's
next pipes, ours or not, a page or two: see pipe(7). This takes a quarter of that."""

PAUSE_SECONDS: Final = 0.002
LOOK_SECONDS: Final = 0.005
"""How often a pipe that may not be read is looked at again."""
LAST_BYTES: Final = 4 * LARGE_PIPE_BYTES
"""At the end a pipe is read until it is empty; of a child that goes on writing, no more than this."""


class Pipe(ABC):
    """The read end of one pipe, and its taker. The taker's methods run with ``lock`` held, but for ``may_read``."""

    __slots__ = ("_lock", "fd", "size_bytes")

    def __init__(self, lock: AbstractContextManager[object]) -> None:
        self._lock = lock
        self.fd = -1
        self.size_bytes = PIPE_BYTES

    @abstractmethod
    def may_read(self) -> bool:
        """Whether more is wanted now. The reader asks without the lock."""

    @abstractmethod
    def take(self, chunk: bytes) -> None:
        """What was read."""

    @abstractmethod
    def ended(self) -> None:
        """Nothing more comes. Called once."""

    def open(self, *, owner: int | None = None, terminal: bool = False) -> int:
        """Opens it. Returns the write end, which the caller closes. Raises OSError.

        ``owner``: the child's uid if it is not ours, so that it may open ``/dev/stdout`` and ``/dev/stderr`` again.
        ``terminal``: the write end is a pseudo terminal, so that programs which ask write line by line.
        """
        self.fd, write_end = _open_terminal() if terminal else os.pipe()
        os.set_blocking(self.fd, False)
        if owner is not None:
            with contextlib.suppress(OSError):
                os.fchown(write_end, owner, -1)
        return write_end

    def read(self, buffer: memoryview) -> int:
        """Reads once and passes it on: how much, 0 when there is nothing, -1 at end of file. From any thread."""
        with self._lock:
            if self.fd < 0:
                return 0
            try:
                count = os.readv(self.fd, [buffer])
            except BlockingIOError:
                return 0
            except OSError as error:
                if error.errno != errno.EIO:
                    raise
                return -1  # how a terminal ends: nobody holds its other side any more
            if count:
                self.take(bytes(buffer[:count]))
            return count or -1

    def drain(self, limit_bytes: int) -> None:
        """Reads what is there now, about ``limit_bytes`` at most, whether it may be read or not. Never waits."""
        buffer = memoryview(bytearray(min(limit_bytes, PIPE_BYTES)))
        left = limit_bytes
        while left > 0 and (count := self.read(buffer)) > 0:
            left -= count

    def end(self) -> None:
        """Closes it, and says so."""
        with self._lock:
            fd, self.fd = self.fd, -1
            if fd >= 0:
                os.close(fd)
                self.ended()


def _open_terminal() -> tuple[int, int]:
    import termios  # noqa: PLC0415 # few processes want one

    read_end, write_end = os.openpty()
    attributes = termios.tcgetattr(write_end)
    attributes[1] &= ~termios.OPOST  # lines end as they were written
    attributes[3] &= ~(termios.ECHO | termios.ICANON | termios.ISIG)
    termios.tcsetattr(write_end, termios.TCSANOW, attributes)
    return read_end, write_end


class Reader:
    """All pipes, and the thread that reads them: started by the first pipe, ended by ``close``."""

    def __init__(self, *, on_trouble: Callable[[str], None]) -> None:
        """``on_trouble`` is called in the thread, with what a taker raised: a mistake of ours."""
        self._on_trouble = on_trouble
        self._epoll: select.epoll | None = None
        self._wake = -1
        self._pipes: dict[int, Pipe] = {}
        self._held: list[Pipe] = []
        """Those that may not be read now."""
        self._large = 0
        self._thread: threading.Thread | None = None
        self._closing = False
        self._on_closed: Callable[[], object] = bool

    def add(self, pipe: Pipe) -> None:
        """Reads an opened pipe from now on. Raises OSError when there are no descriptors or threads to be had."""
        if self._epoll is None:
            self._start()
        assert self._epoll is not None
        self._pipes[pipe.fd] = pipe
        self._epoll.register(pipe.fd, select.EPOLLIN)

    async def close(self, *, timeout_seconds: float) -> None:
        """Reads what is in the pipes, ends them, and then the thread."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        loop, closed = asyncio.get_running_loop(), asyncio.Event()
        self._on_closed = lambda: loop.call_soon_threadsafe(closed.set)
        os.eventfd_write(self._wake, 1)
        self._closing = True  # not before: the thread then ends, and closes what it is woken by, whenever it likes
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_seconds):
                await closed.wait()
            thread.join()  # only its last instruction is left

    def _start(self) -> None:
        epoll, wake = select.epoll(), os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        epoll.register(wake, select.EPOLLIN)
        self._epoll, self._wake = epoll, wake
        self._thread = threading.Thread(target=self._run, args=(epoll,), name="log reader", daemon=True)
        try:
            self._thread.start()
        except RuntimeError as error:
            self._epoll = self._thread = None
            epoll.close()
            os.close(wake)
            raise OSError(errno.EAGAIN, f"no thread to read what the process says: {error}") from error

    # --- the reader's thread ---------------------------------------------------------------------------------------

    def _run(self, epoll: select.epoll) -> None:
        buffer = memoryview(bytearray(READ_BYTES))
        while not self._closing:
            ready = epoll.poll(LOOK_SECONDS if self._held else None, 256)
            busy = False
            for fd, _ in ready:
                pipe = self._pipes.get(fd)
                if pipe is not None:
                    busy |= self._serve(epoll, pipe, buffer)
            self._let_go(epoll)
            if ready and not busy:
                time.sleep(PAUSE_SECONDS)
        for pipe in tuple(self._pipes.values()):
            self._finish(pipe, buffer)
        epoll.close()
        os.close(self._wake)
        with contextlib.suppress(RuntimeError):  # the loop did not wait for us
            self._on_closed()

    def _serve(self, epoll: select.epoll, pipe: Pipe, buffer: memoryview) -> bool:
        """One read of one pipe. True when it fills faster than we look."""
        if not pipe.may_read():
            epoll.unregister(pipe.fd)
            self._held.append(pipe)
            return False
        count = self._read(pipe, buffer)
        half_full = 2 * count >= pipe.size_bytes
        if count < 0:
            epoll.unregister(pipe.fd)
            self._end(pipe)
        elif half_full and pipe.size_bytes == PIPE_BYTES and self._large < LARGE_PIPES:
            self._enlarge(pipe)
        return half_full or count == READ_BYTES

    def _read(self, pipe: Pipe, buffer: memoryview) -> int:
        try:
            return pipe.read(buffer)
        except Exception as error:  # noqa: BLE001 # whatever it is, the child must not be left with a full pipe
            self._on_trouble(f"{type(error).__name__}: {error}")
            return 0

    def _enlarge(self, pipe: Pipe) -> None:
        with contextlib.suppress(OSError):
            pipe.size_bytes = fcntl.fcntl(pipe.fd, fcntl.F_SETPIPE_SZ, LARGE_PIPE_BYTES)
            self._large += 1

    def _let_go(self, epoll: select.epoll) -> None:
        for pipe in tuple(self._held):
            if pipe.may_read():
                self._held.remove(pipe)
                epoll.register(pipe.fd, select.EPOLLIN)

    def _end(self, pipe: Pipe) -> None:
        del self._pipes[pipe.fd]
        if pipe.size_bytes > PIPE_BYTES:
            self._large -= 1
        try:
            pipe.end()
        except Exception as error:  # noqa: BLE001 # as in _read
            self._on_trouble(f"{type(error).__name__}: {error}")

    def _finish(self, pipe: Pipe, buffer: memoryview) -> None:
        left = LAST_BYTES
        while left > 0 and (count := self._read(pipe, buffer)) > 0:
            left -= count
        self._end(pipe)
