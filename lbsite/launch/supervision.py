"""Supervisor, run inside `lb up`, with a start sequence and its news on the terminal.

`supervisord` decides what to start by itself; here a generator decides, one step
a turn of Supervisor's loop, so that a program which dies while the product is
still starting is already looked after. Programs end with this process, however
it ends: see `TerminalOptions.setpgrp`.
"""

import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from supervisor import events
from supervisor.medusa.asyncore_25 import ExitNow
from supervisor.options import ServerOptions, decode_wait_status
from supervisor.poller import Poller
from supervisor.process import Subprocess
from supervisor.states import SupervisorStates
from supervisor.supervisord import Supervisor

Say = Callable[[str], None]
Steps = Iterator[None]

MAX_BACKOFF = 10  # seconds; each failed start adds one

_PR_SET_PDEATHSIG = 1  # prctl(2)
_prctl = getattr(ctypes.CDLL(None), "prctl", None) if sys.platform == "linux" else None


class _ShortPoller(Poller):
    """Waits at most `limit` seconds, so that a start or stop goes on without delay."""

    limit = 0.05

    def poll(self, timeout: float) -> tuple[list[int], list[int]]:
        return super().poll(min(timeout, self.limit))


class TerminalOptions(ServerOptions):
    """Supervisor's options for a supervisor that lives in a terminal."""

    def __init__(self) -> None:
        super().__init__()
        self.poller = _ShortPoller(self)
        self.last_exit = 0  # wait status of the child reaped last
        self.first = True
        self.test = False

    def setsignals(self) -> None:
        hangup = signal.getsignal(signal.SIGHUP)
        super().setsignals()
        if hangup is signal.SIG_IGN:  # started with nohup
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
        else:  # the terminal was closed
            receive = self.signal_receiver.receive
            signal.signal(signal.SIGHUP, lambda _, frame: receive(signal.SIGTERM, frame))

    def waitpid(self) -> tuple[int | None, int | None]:
        pid, status = super().waitpid()
        if pid:
            self.last_exit = status
        return pid, status

    def setpgrp(self) -> None:
        """Called in the new child: it also ends when its parent does, even by SIGKILL."""
        os.setpgrp()
        if _prctl is not None:
            _prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
            if os.getppid() != self.supervisor_pid:  # died before the call above
                os._exit(1)

    supervisor_pid = 0


class Supervision(Supervisor):
    def __init__(self, configuration: Path, say: Say) -> None:
        options = TerminalOptions()
        options.supervisor_pid = os.getpid()
        options.realize(["-c", str(configuration)], doc="")
        super().__init__(options)
        self._say = say
        self._steps: Steps = iter(())
        self._failed: set[str] = set()
        self._error: Exception | None = None

    def run_steps(self, steps: Steps) -> None:
        """Take `steps`, then supervise until a signal; raise what a step raised, once stopped."""
        self._steps = steps
        self.options.make_logger()
        with contextlib.suppress(ExitNow):
            self.run()
        self.options.close_httpservers()
        self.options.close_logger()
        if self._error is not None:
            raise self._error

    def start(self, name: str) -> None:
        self._process(name).spawn()

    def _process(self, name: str) -> Subprocess:
        return next(
            process
            for group in self.process_groups.values()
            for process in group.processes.values()
            if process.config.name == name
        )

    def runforever(self) -> None:
        events.subscribe(events.ProcessStateEvent, self._on_process_state)
        events.subscribe(events.SupervisorStoppingEvent, self._on_stopping)
        super().runforever()

    def tick(self, now: float | None = None) -> None:
        super().tick(now)
        if self.options.mood < SupervisorStates.RUNNING:
            return
        try:
            next(self._steps)
        except StopIteration:
            self.options.poller.limit = 0.25  # of a second, until a signal is acted on
        except Exception as error:  # raised again once all programs are stopped
            self._error = error
            self._steps = iter(())
            self.options.mood = SupervisorStates.SHUTDOWN

    def _on_stopping(self, _: Any) -> None:
        self.options.poller.limit = _ShortPoller.limit
        self._say("Stopping. Requests that are running may finish.")

    def _on_process_state(self, event: Any) -> None:
        process = event.process
        if isinstance(event, events.ProcessStateExitedEvent):
            self._end_group(process)
            self._report_exit(process, "starting it again")
        elif isinstance(event, events.ProcessStateBackoffEvent):
            self._end_group(process)
            process.backoff = min(process.backoff, MAX_BACKOFF)
            self._report_exit(process, f"trying again in {process.backoff} s")
        elif isinstance(event, events.ProcessStateRunningEvent):
            self._report_recovery(process)
        elif isinstance(event, events.ProcessStateStoppedEvent):
            self._report_stop(process)

    def _report_exit(self, process: Subprocess, then: str) -> None:
        name = process.config.name
        self._failed.add(name)
        reason = process.spawnerr if not process.pid else self._exit_reason()
        self._say(f"{name} ended ({reason}); {then}. See {process.config.stdout_logfile}")

    def _report_stop(self, process: Subprocess) -> None:
        if self.options.mood == SupervisorStates.RUNNING:  # by supervisorctl
            self._failed.add(process.config.name)
            self._say(f"{process.config.name} was stopped on request")

    def _exit_reason(self) -> str:
        return decode_wait_status(self.options.last_exit)[1].removesuffix("(core dumped)").strip()

    def _report_recovery(self, process: Subprocess) -> None:
        if process.config.name in self._failed:
            self._failed.discard(process.config.name)
            self._say(f"{process.config.name} runs again (pid {process.pid})")

    @staticmethod
    def _end_group(process: Subprocess) -> None:
        """End what a dead program left behind: a gunicorn's workers would keep its port."""
        if process.pid:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGTERM)
