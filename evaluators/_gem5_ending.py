"""What a simulation of gem5 came to: told by its exit code, the exit cause in its log and its statistics."""

from __future__ import annotations

import contextlib
import gzip
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from deffe.executors import JobEnd
from deffe.scripts.process import last_lines

STATS = "stats.txt"
LOG_BYTES = 1 << 18
LONGEST = 300
_ERROR = re.compile(r"\b(?:fatal|panic): .*|gem5 has encountered a segmentation fault.*|terminate called .*")
_MEMORY = re.compile(r"std::bad_alloc|MemoryError|[Oo]ut of memory|Cannot allocate memory|Could not mmap")
_CAUSES = (
    re.compile(r"exit (?P<cause>.+) (?P<tick>\d+)"),
    re.compile(r"Exiting @ tick (?P<tick>\d+) because (?P<cause>.+)"),
)
_CODE = re.compile(r"code (\d+)")
_CHATTER = re.compile(r"Memory Usage: |(?:\S+: )?(?:info|warn|hack): ")


@dataclass(frozen=True)
class Expected:
    """The ends that count.

    Args:
        causes: exit causes of a simulation that has come to its end.
        max_exit_code: highest exit code of the program; None where any will do.
        told: the configuration is known to tell the exit cause and to leave statistics.
    """

    causes: tuple[str, ...]
    max_exit_code: int | None
    told: bool

    def reason(self, end: JobEnd) -> str:
        """Why a simulation is of no use; empty when it is of use."""
        how, lines = end.how, last_lines(end.job.log, LOG_BYTES)
        if end.timed_out or end.reason or "SIGKILL" in how:
            return how
        error = next((found[0] for line in lines if (found := _ERROR.search(line))), "")
        if end.exit_code and error:
            return f"{how}{_of_memory(lines)}: {error[:LONGEST]}"
        cause, tick = _exit_cause(lines)
        if cause and cause not in self.causes:
            return f"the simulation was stopped at tick {tick}: {cause}"
        if end.exit_code or (self.told and not cause):
            said = next((line for line in reversed(lines) if not _CHATTER.match(line)), "")
            how = how + _of_memory(lines) if end.exit_code else "gem5 ended without an exit cause"
            return f"{how}: {said[:LONGEST]}" if said else how
        return self._of_program(lines) or self._of_stats(end.job.folder / STATS)

    def _of_program(self, lines: Sequence[str]) -> str:
        if self.max_exit_code is None:
            return ""
        code = next((int(found[1]) for line in reversed(lines) if (found := _CODE.fullmatch(line))), None)
        if code is None:
            return "" if self.told else "the log does not tell the program's exit code, by a line such as 'code 0'"
        above = f"the program ended with exit code {code}, allowed: at most {self.max_exit_code}"
        return above if code > self.max_exit_code else ""

    def _of_stats(self, stats: Path) -> str:
        try:
            empty = stats.stat().st_size == 0
        except OSError:
            packed = _packed(stats).is_file()  # by a run that was killed before it had recorded the point
            return f"gem5 has left no {STATS}" if self.told and not packed else ""
        return f"gem5 has left an empty {STATS}: it ended before it wrote statistics" if empty else ""


def _exit_cause(lines: Sequence[str]) -> tuple[str, str]:
    """The last exit cause that a log tells, and its tick; empty texts when it tells none."""
    for line in reversed(lines):
        for pattern in _CAUSES:
            found = pattern.fullmatch(line)
            if found:
                return found["cause"].strip().removesuffix("."), found["tick"]
    return "", ""


def _of_memory(lines: Sequence[str]) -> str:
    return ", out of memory" if any(_MEMORY.search(line) for line in lines) else ""


def _packed(stats: Path) -> Path:
    return stats.with_name(f"{stats.name}.gz")


def pack(stats: Path) -> None:
    """Replace statistics by ``stats.txt.gz``; an empty file stays.

    Raises:
        OSError: it cannot be written; the statistics are as they were.
    """
    if not stats.is_file() or stats.stat().st_size == 0:
        return
    part = stats.with_name(f"{stats.name}.gz.part")
    try:
        with stats.open("rb") as plain, gzip.open(part, "wb", compresslevel=6) as file:
            shutil.copyfileobj(plain, file)
        part.replace(_packed(stats))
    except OSError:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise
    stats.unlink()
