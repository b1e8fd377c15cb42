"""The batch script of a Slurm job array, as a pure function of what is asked for."""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

FLAGS = (
    *("nodes", "cpus_per_task", "exclude", "nodelist", "constraint", "partition", "mem", "mail_type", "mail_user"),
    *("account", "time"),
)
"""Keys that the original has, in the order of its script."""
HEADER = "host "
"""What the line that a task prints first begins with."""
OWN = frozenset(
    {"array", "error", "job-name", "open-mode", "output", "parsable", "quiet", "test-only", "wait", "wrap", "help"}
)
"""Options of sbatch that are deffe's own."""
OTHERS = frozenset(
    (
        *("acctg_freq", "bb", "bbf", "begin", "chdir", "cluster_constraint", "clusters", "comment", "container"),
        *("contiguous", "core_spec", "cores_per_socket", "cpu_freq", "cpus_per_gpu", "deadline", "delay_boot"),
        *("dependency", "distribution", "exclusive", "export", "export_file", "extra_node_info", "get_user_env"),
        *("gid", "gpu_bind", "gpu_freq", "gpus", "gpus_per_node", "gpus_per_socket", "gpus_per_task", "gres"),
        *("gres_flags", "hint", "hold", "ignore_pbs", "input", "kill_on_invalid_dep", "licenses", "mcs_label"),
        *("mem_bind", "mem_per_cpu", "mem_per_gpu", "mincpus", "network", "nice", "no_kill", "no_requeue"),
        *("nodefile", "ntasks", "ntasks_per_core", "ntasks_per_gpu", "ntasks_per_node", "ntasks_per_socket"),
        *("overcommit", "oversubscribe", "power", "prefer", "priority", "profile", "propagate", "qos", "reboot"),
        *("requeue", "reservation", "segment", "signal", "sockets_per_node", "spread_job", "stepmgr", "switches"),
        *("thread_spec", "threads_per_core", "time_min", "tmp", "tres_bind", "tres_per_task", "uid", "use_min_nodes"),
        *("verbose", "wait_all_nodes", "wckey", "x11"),
    )
)
"""Keys of further options of sbatch that are known; a cluster may have more."""
ALIKE = 0.8
"""How alike two keys are, from 0 to 1, when one is taken for a misspelling of the other."""


@dataclass(frozen=True)
class Request:
    """What is asked of Slurm for one kind of work.

    Args:
        flags: options of sbatch by their key, such as ``cpus_per_task``; True is an option without value.
        sources: shell scripts that are sourced first.
        trials_per_task: None to choose it by measured run times.
        max_jobs: tasks in the queue at the same time.
        poll_s: the shortest and the longest time between two looks at the marks.
        settle_s: how long a shared disk may take to show what another machine wrote.
        resubmit: how often a trial is submitted again that the cluster has ended.
    """

    flags: Mapping[str, str | bool]
    sources: tuple[Path, ...] = ()
    trials_per_task: int | None = None
    max_jobs: int = 1000
    poll_s: tuple[float, float] = (1.0, 15.0)
    settle_s: float = 10.0
    resubmit: int = 3


def option(key: str) -> str:
    """The option of sbatch that a key stands for: ``cpus_per_task`` is ``cpus-per-task``."""
    return key.strip().lstrip("-").replace("_", "-")


def directives(flags: Mapping[str, str | bool]) -> list[str]:
    """The ``#SBATCH`` lines: the original's in its order, then the others as they come; empty values are left out."""
    ordered = {key: flags[key] for key in FLAGS if key in flags} | dict(flags)
    lines = []
    for key, value in ordered.items():
        if value is True:
            lines.append(f"#SBATCH --{option(key)}")
        elif value is not False and value != "":
            lines.append(f"#SBATCH --{option(key)}={shlex.quote(value)}")
    return lines


def fault_of(key: str, value: str | bool) -> str:
    """Why a key cannot be an option of sbatch in a script; empty when it can."""
    name = option(key)
    if not name or not name.replace("-", "").isalnum() or not name.isascii():
        return f"{key!r} cannot be an option of sbatch"
    if name in OWN:
        return f"deffe sets --{name} itself"
    if isinstance(value, str) and not value.isprintable():
        return "a line break or control character cannot stand in a batch script"
    return ""


def meant_by(key: str, own: Iterable[str]) -> str:
    """The key that one which nobody knows is like, among those of deffe (``own``) and of sbatch; empty for none."""
    known = {*own, *FLAGS, *OTHERS}
    return "" if key in known else next(iter(difflib.get_close_matches(key, sorted(known), 1, ALIKE)), "")


def batch_script(
    request: Request, *, name: str, tasks: int, folder: Path, command: Sequence[str], arrays: bool = True
) -> str:
    """The text given to sbatch.

    Args:
        name: of the job; by it the job is found again.
        tasks: of the array.
        folder: of the submission; the output of each task goes there.
        command: runs a task; its index is added.
        arrays: whether the cluster has job arrays; without them there is one task.
    """
    log = str(folder / "%a.log").replace("%", "%%").replace("%%a.log", "%a.log" if arrays else "0.log")
    own = [f"#SBATCH --job-name={name}"]
    if arrays:
        own.append(f"#SBATCH --array=0-{tasks - 1}")
    own += [f"#SBATCH --output={shlex.quote(log)}", "#SBATCH --open-mode=append"]
    body = [
        f'echo "{HEADER}$(hostname), job ${{SLURM_ARRAY_JOB_ID:-$SLURM_JOB_ID}}, task ${{SLURM_ARRAY_TASK_ID:-0}}"',
        *(f"source {shlex.quote(str(source))}" for source in request.sources),
        f'exec {shlex.join(command)} "${{SLURM_ARRAY_TASK_ID:-0}}"',
    ]
    return "\n".join(["#!/bin/bash", *directives(request.flags), *own, "", *body, ""])
