"""Is a simulated cluster of 1,000 slots kept busy? ``python test/benchmark/simulated_cluster.py``.

A discrete-event simulation around the real program: its Slurm client is replaced by a queue and a heap of events, and
its clock by one that jumps to the next event when the program has nothing left to do. Nothing sleeps. The CPU time
that the program takes passes on that clock as well, so that a slow orchestrator leaves slots idle. The jobs' marks and
results are real files, written when their time has come.
"""

from __future__ import annotations

import contextlib
import heapq
import io
import itertools
import json
import os
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from _measure import ROOT, Figure, show

sys.path.insert(0, str(ROOT / "framework"))

from deffe.cli import main
from deffe.executors.slurm import service
from deffe.executors.slurm.client import Report, Reported
from deffe.executors.slurm.marks import BEGUN, ENDED, Mark, put
from deffe.executors.slurm.paths import Paths, read_task, read_tasks
from deffe.prepare import executors

SLOTS = 1000
POINTS = 20_000
TRIAL_S = (45.0, 75.0)
START_S = 0.5
"""What Slurm takes to start a task on a free slot."""
LEAST_BUSY = 0.95
QUIET = 3
"""Looks in a row that must find all other threads asleep before the clock jumps."""
KNOBS = [{"name": name, "values": "1-31"} for name in ("size", "ways", "line", "banks")]
SCRIPT = "echo $((size * 100 + ways * line + banks)) > results.out\n"


class Time(service.Clock):
    """CPU time of this program, and jumps to the next event when all of its threads wait."""

    def __init__(self) -> None:
        self._jumped = 0.0
        self.events: list[tuple[float, int, Any]] = []
        self._order = itertools.count()

    def now(self) -> float:
        return self._jumped + time.process_time()

    def at(self, moment: float, act: Any) -> None:
        """Have ``act`` called at a moment."""
        heapq.heappush(self.events, (moment, next(self._order), act))

    def wait(self, condition: threading.Condition, seconds: float) -> None:
        until = self.now() + seconds
        condition.release()
        try:
            _let_others_work()
            self._advance(min(until, self.events[0][0]) if self.events else until)
        finally:
            condition.acquire()

    def _advance(self, moment: float) -> None:
        self._jumped += max(0.0, moment - self.now())
        while self.events and self.events[0][0] <= self.now():
            due, _, act = heapq.heappop(self.events)
            act(due)


def _let_others_work() -> None:
    """Wait until every other thread of this program sleeps; the time that takes is that of its work."""
    own, quiet = threading.get_native_id(), 0
    while quiet < QUIET:
        time.sleep(0.0002)
        quiet = quiet + 1 if all(_sleeps(name) for name in os.listdir("/proc/self/task") if int(name) != own) else 0


def _sleeps(thread: str) -> bool:
    try:
        stat = Path(f"/proc/self/task/{thread}/stat").read_bytes()
    except OSError:
        return True
    return stat.rpartition(b")")[2].split()[0] == b"S"


@dataclass
class Cluster:
    """Slurm's side: tasks wait in order, each takes a slot and runs its trials one after the other."""

    clock: Time
    free: int = SLOTS
    queue: deque[tuple[Paths, int, int, str]] = field(default_factory=deque)
    state: dict[tuple[str, int], str] = field(default_factory=dict)
    jobs: int = 0
    busy_s: float = 0.0
    first: float = float("inf")
    last_start: float = 0.0
    last: float = 0.0
    asked: int = 0
    spans: list[tuple[float, float]] = field(default_factory=list)

    def submit(self, script: Path) -> str:
        self.jobs += 1
        paths, number = Paths.of_submission(script.parent), int(script.parent.name)
        head, tasks = read_tasks(paths.tasks(number))
        for index, _ in enumerate(tasks):
            self.queue.append((paths, number, index, head["name"]))
            self.state[head["name"], index] = "PENDING"
        self.clock.at(self.clock.now(), self._start)
        return str(self.jobs)

    def report(self, wanted: Mapping[str, Collection[int]], since: object) -> Report:
        self.asked += 1
        places = ((name, index) for name, tasks in wanted.items() for index in tasks)
        return {place: Reported(self.state[place], job="1") for place in places if place in self.state}

    def cancel(self, jobs: object) -> None: ...

    def max_array_size(self) -> int:
        return 1001

    def _start(self, now: float) -> None:
        while self.free and self.queue:
            paths, number, index, name = self.queue.popleft()
            _, trials = read_task(paths.tasks(number), index)
            self.free -= 1
            self.state[name, index] = "RUNNING"
            begin = now + START_S
            for trial in trials:
                seconds = TRIAL_S[0] + (TRIAL_S[1] - TRIAL_S[0]) * (hash(trial["key"]) % 1000) / 1000
                self.clock.at(begin, partial(self._begin, paths, number, trial))
                self.clock.at(begin + seconds, partial(self._end, paths, number, trial, begin, seconds))
                begin += seconds
            self.clock.at(begin, partial(self._over, name, index))

    def _begin(self, paths: Paths, number: int, trial: Mapping[str, Any], now: float) -> None:
        put(paths.marks / Mark(trial["key"], number, BEGUN).name, {"before": []})
        self.first, self.last_start = min(self.first, now), max(self.last_start, now)

    def _end(self, paths: Paths, number: int, trial: Mapping[str, Any], begin: float, took: float, now: float) -> None:
        values = json.loads((Path(trial["folder"]) / "param.json").read_text())
        cost = sum(int(values[name]) for name in ("size", "ways", "line", "banks"))
        (Path(trial["folder"]) / "results.out").write_text(f"{cost}\n")
        put(paths.marks / Mark(trial["key"], number, ENDED).name,
            {"exit_code": 0, "timed_out": False, "seconds": took})  # fmt: skip
        self.spans.append((begin, begin + took))
        self.last = max(self.last, now)

    def _over(self, name: str, index: int, now: float) -> None:
        self.state[name, index] = "COMPLETED"
        self.free += 1
        self._start(now)

    def busy(self, until: float) -> float:
        """The share of all slots' time that trials ran in, from the first one's start."""
        inside = sum(max(0.0, min(end, until) - begin) for begin, end in self.spans)
        return inside / (SLOTS * (until - self.first))


CASES = {
    "one step": (("-no-train", "-no-inference", "-init-batch-samples", POINTS, "-fixed-samples", 1, "-step-end", 1)),
    "-pipeline, steps of 1,000, each learned from": (
        ("-pipeline", "-no-inference", "-init-batch-samples", 1000, "-fixed-samples", 1000, "-max-samples", POINTS // 2)
    ),
}


def figures() -> Iterator[Figure]:
    for what, arguments in CASES.items():
        cluster, cpu_s = _run([str(word) for word in arguments])
        points = len(cluster.spans)
        steady, in_all = cluster.busy(cluster.last_start), cluster.busy(cluster.last)
        name = f"{points:,} trials of {TRIAL_S[0]:.0f} to {TRIAL_S[1]:.0f} s on {SLOTS:,} slots, {what}"
        measured = f"{100 * steady:.1f} % until the last one starts, {100 * in_all:.1f} % until the last one ends"
        yield Figure(f"slots busy, {name}", measured, ">= 95 %", steady >= LEAST_BUSY)
        cores = cpu_s / (cluster.last - cluster.first)
        yield Figure("CPU of the orchestrator", f"{cores:.3f} cores, {1000 * cpu_s / points:.1f} ms a trial, "
                     f"{cluster.jobs} submissions, {cluster.asked} questions", "< 1 core", cores < 1)  # fmt: skip


def _run(arguments: list[str]) -> tuple[Cluster, float]:
    clock = Time()
    cluster = Cluster(clock)
    executors.client_of = lambda config: cluster  # type: ignore[assignment, return-value]
    real = service.Service
    service.Service = partial(real, clock=clock)  # type: ignore[misc, assignment]
    config = {"knobs": KNOBS, "costs": ["cost"], "model": {"pyscript": "sklearn_rf", "options": {"trees": 20}},
              "evaluate": {"slurm": {"max_jobs": 2 * SLOTS}}}  # fmt: skip
    here, begun = Path.cwd(), time.process_time()
    try:
        with tempfile.TemporaryDirectory(prefix="deffe_cluster_") as name:
            (Path(name) / "config.json").write_text(json.dumps(config))
            (Path(name) / "evaluate.sh").write_text(SCRIPT)
            os.chdir(name)
            said = io.StringIO()
            with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
                code = main(arguments)
            os.chdir(here)
            if code:
                sys.exit(said.getvalue()[-2000:])
    finally:
        os.chdir(here)
        service.Service = real  # type: ignore[misc]
    return cluster, time.process_time() - begun


if __name__ == "__main__":
    os.environ.setdefault("TMPDIR", "/dev/shm" if Path("/dev/shm").is_dir() else "/tmp")
    sys.exit(0 if show("A simulated cluster", figures()) else 1)
