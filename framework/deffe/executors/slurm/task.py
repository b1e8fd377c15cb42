"""Runs the trials of one array task, one after the other, on a machine of the cluster.

Called by the batch script as ``python task.py SUBMISSION INDEX``. It needs the standard library and those modules of
deffe that run a process. It is fit to be started again by Slurm: what has left its end mark is not run again.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[3])  # the folder that has the package, instead of this one

from deffe.errors import DeffeError, PluginError
from deffe.executors.slurm import marks
from deffe.executors.slurm.holding import HOLD_S, HeldMarks
from deffe.executors.slurm.marks import BEGUN, ENDED, Mark
from deffe.executors.slurm.paths import Paths, read_task
from deffe.executors.slurm.signed import Signer
from deffe.executors.worker import Worker, explain
from deffe.scripts import process
from deffe.scripts.guard import Guard
from deffe.scripts.memory import MemoryWatch
from deffe.scripts.process import Stop

FINE, CUT_SHORT, NO_MARK = 0, 143, 74
KILL_S = 1.0
"""A trial has this long between TERM and KILL when Slurm ends the task, which has little time itself."""
KILLED_S = 1.0
"""A trial that was killed is not taken for failed sooner: the machine may have much to do."""
TRIES, PAUSE_S = 20, 15.0
"""A mark that cannot be written, as on a full disk, is tried this often."""


class Task:
    """The trials of one array task."""

    def __init__(self, folder: Path, index: int) -> None:
        self._paths = Paths.of_submission(folder)
        self._folder = folder
        self._index = index
        self._number = int(folder.name)
        self.stop = Stop()
        self.told = threading.Event()
        self._guard = Guard()
        self._memory = MemoryWatch()
        self._held = HeldMarks(self._put, self.told)
        self._workers: dict[tuple[str, str | None], Worker] = {}
        self.code = NO_MARK

    def run(self) -> None:
        """Run the trials in order; ``code`` is the exit code."""
        try:
            head, trials = read_task(self._paths.tasks(self._number), self._index)
            if self._claim():
                sys.path += [folder for folder in head["python_path"] if folder not in sys.path]
                for trial in trials:
                    if self.told.is_set() or self._paths.void(self._number, self._index).exists():
                        break
                    self._take(trial)
            self._held.finish()
            self.code = FINE
        except FileNotFoundError as error:
            print(f"this task is not wanted any more: {error}", file=sys.stderr)
            self.code = FINE
        except (OSError, DeffeError) as error:
            print(f"this task cannot go on: {error}", file=sys.stderr)
        finally:
            for worker in self._workers.values():
                if worker.alive:
                    worker.close()
            self._guard.close()

    def _claim(self) -> bool:
        """Whether this job is the one that runs the task: a submission that was taken twice runs once."""
        mine = os.environ.get("SLURM_ARRAY_JOB_ID") or os.environ.get("SLURM_JOB_ID", "")
        path = self._paths.claim(self._number, self._index)
        marks.put_first(path, mine)
        return path.read_text(encoding="ascii") == mine

    def _take(self, trial: Mapping[str, Any]) -> None:
        begun = self._paths.marks / Mark(trial["key"], self._number, BEGUN).name
        ended = self._paths.marks / Mark(trial["key"], self._number, ENDED).name
        if ended.exists():
            return  # before Slurm started this task again
        folder = Path(trial["folder"]) if "folder" in trial else None
        if folder is not None and begun.exists():
            marks.clean(folder, marks.get(begun)["before"])
        before = sorted(os.listdir(folder)) if folder is not None and folder.is_dir() else []
        self._put(begun, {"before": before, "host": socket.gethostname(), "when": time.time()})
        end = self._run(trial, folder) if folder is not None else self._call(trial)
        if end is None or self._is_ending(end):
            return
        if end["exit_code"]:
            self._put(ended, end)
        else:
            self._held.add(ended, end)

    def _run(self, trial: Mapping[str, Any], folder: Path) -> dict[str, Any] | None:
        """How the commands of a trial ended; None when they were cut short."""
        unset = set(trial["unset"])
        environment = {name: value for name, value in os.environ.items() if name not in unset}
        try:
            ended = process.run(
                trial["commands"],
                folder=folder,
                log=Path(trial["log"]),
                environment={**environment, **trial["environment"]},
                timeout_s=trial["timeout_s"],
                stop=self.stop,
                guard=self._guard,
                limit=self._memory.limit(trial["memory_mib"]),
            )
        except DeffeError as error:
            return {"exit_code": process.NOT_STARTED, "timed_out": False, "seconds": 0.0, "reason": error.message}
        if ended.stopped:
            return None
        found = {"exit_code": ended.exit_code, "timed_out": ended.timed_out, "seconds": ended.seconds}
        return {**found, "reason": ended.reason}

    def _is_ending(self, end: Mapping[str, Any]) -> bool:
        """Whether Slurm ends this task. It signals all processes at once, so that the trial may be gone first."""
        code = end["exit_code"]
        killed = code < 0 or 128 < code < 192
        return self.told.wait(KILLED_S if killed else HOLD_S if code else 0)

    def _call(self, trial: Mapping[str, Any]) -> dict[str, Any] | None:
        """How the call of a function ended, with what it gave; None when it was cut short."""
        signer = Signer.of_file(self._paths.key)
        log = None if trial["log"] is None else Path(trial["log"])
        start = time.monotonic()
        timed_out, value, error, unloadable, died = False, None, "", "", False
        try:
            worker = self._worker(signer, trial["function"], log)
            item = signer.checked(trial["item"], "item")
            start = time.monotonic()
            reply = worker.call_pickled(item, trial["timeout_s"], self.stop)
            value, error, timed_out, died = reply.value, reply.error, reply.timed_out, not worker.alive
        except PluginError as fault:
            unloadable = fault.message
        seconds = time.monotonic() - start
        purpose = f"reply {trial['key']}.{self._number}"
        try:
            packed = signer.pack((value, error, unloadable), purpose)
        except Exception as fault:  # the value's class may refuse to be pickled in any way
            packed = signer.pack((None, f"the result cannot be sent back: {explain(fault)}", ""), purpose)
        code = -signal.SIGKILL if died else 1 if error or unloadable else 0
        return {"exit_code": code, "timed_out": timed_out, "seconds": seconds, "reply": packed}

    def _worker(self, signer: Signer, function: str, log: Path | None) -> Worker:
        key = (function, None if log is None else str(log))
        worker = self._workers.get(key)
        if worker is None or not worker.alive:
            text = self._paths.function(function).read_text(encoding="ascii")
            pickled: bytes = signer.unpack(text, f"function {function}")
            worker = self._workers[key] = Worker(pickled, log, self._guard, self.stop)
        return worker

    def _put(self, path: Path, data: Mapping[str, Any]) -> None:
        for left in reversed(range(TRIES)):
            try:
                return marks.put(path, data)
            except OSError as error:
                if not left or self.told.is_set():
                    raise
                print(f"{path} cannot be written, and is tried again: {error}", file=sys.stderr, flush=True)
                time.sleep(PAUSE_S)
        return None


def main(folder: str, index: str) -> int:
    """Run a task; a signal of Slurm ends its trial, which leaves no end mark then."""
    task = Task(Path(folder), int(index))
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda number, frame: task.told.set())
    thread = threading.Thread(target=task.run)
    thread.start()
    while thread.is_alive():
        if task.told.is_set():
            task.stop.set(KILL_S)
            thread.join()
            return CUT_SHORT
        thread.join(0.2)
    return task.code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
