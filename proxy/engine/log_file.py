"""The file that log lines go to, written by a thread of its own.

A disk that is slow, a file system that hangs, a pipe that nobody reads: none of
them may hold up the loop. The thread spends its time in the kernel, outside of
Python's lock, and is a daemon: it does not keep the worker from ending either.
"""

import asyncio
import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from queue import SimpleQueue
from select import PIPE_BUF
from threading import Thread

STDOUT = "-"

_Done = asyncio.Future[OSError | None]
_Job = tuple[bytes, _Done] | None  # None: open the file anew


class LogFile:
    """Opened at the first write, and again at the next one for as long as that fails."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._jobs: SimpleQueue[_Job] = SimpleQueue()
        self._descriptor = -1
        self._atomic = 0  # how many bytes are written at once, where it matters
        self._mid_line = False  # a failure has left the beginning of a line
        Thread(target=self._work, name="access-log", daemon=True).start()

    async def write(self, lines: bytes) -> OSError | None:
        """Append whole lines; what has gone wrong, or None."""
        done: _Done = asyncio.get_running_loop().create_future()
        self._jobs.put((lines, done))
        return await done

    def reopen(self) -> None:
        """The file was moved away, as logrotate does: go on in a new one."""
        self._jobs.put(None)

    # --- in the thread ---

    def _work(self) -> None:
        while True:
            job = self._jobs.get()
            if job is None:
                self._close()
                with suppress(OSError):  # told by the next write
                    self._open()
                continue
            lines, done = job
            error = self._append(lines)
            with suppress(RuntimeError):  # the loop may have ended meanwhile
                done.get_loop().call_soon_threadsafe(_settle, done, error)

    def _append(self, lines: bytes) -> OSError | None:
        try:
            self._open()
            for piece in self._pieces(lines):
                self._write_all(piece)
        except OSError as error:
            self._close()
            return error
        return None

    def _write_all(self, data: bytes) -> None:
        if self._mid_line:  # one line is broken; the next one must not be as well
            data = b"\n" + data
        while data:
            written = os.write(self._descriptor, data)
            self._mid_line = not data[:written].endswith(b"\n")
            data = data[written:]

    def _pieces(self, lines: bytes) -> Iterator[bytes]:
        """Whole lines that the kernel keeps together although other workers write as well.

        Appending to a file does that for any size, a pipe only for PIPE_BUF bytes (pipe(7)).
        """
        limit = self._atomic or len(lines)
        start = 0
        while start < len(lines):
            end = lines.rfind(b"\n", start, start + limit) + 1
            end = end or lines.index(b"\n", start) + 1  # a line longer than that
            yield lines[start:end]
            start = end

    def _open(self) -> None:
        if self._descriptor >= 0:
            return
        if self._path == STDOUT:
            descriptor = os.dup(1)
        else:
            descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
        self._atomic = 0 if stat.S_ISREG(os.fstat(descriptor).st_mode) else PIPE_BUF
        self._descriptor = descriptor

    def _close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            with suppress(OSError):
                os.close(descriptor)


def _settle(done: _Done, error: OSError | None) -> None:
    if not done.cancelled():
        done.set_result(error)
