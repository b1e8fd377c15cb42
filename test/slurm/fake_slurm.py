"""Stands in for sbatch, squeue, scancel, scontrol and sacct: ``fake_slurm.py FOLDER PROGRAM ARGUMENTS``."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any


def read(path: Path, default: Any) -> Any:
    return json.loads(path.read_text()) if path.exists() else default


def write(path: Path, data: Any) -> None:
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.write_text(json.dumps(data))
    part.replace(path)


def sbatch(folder: Path, words: list[str]) -> None:
    script = Path(words[-1])
    text = script.read_text()
    name = re.search(r"^#SBATCH --job-name=(.*)$", text, re.MULTILINE)[1]
    last = re.search(r"^#SBATCH --array=0-(\d+)$", text, re.MULTILINE)
    number = len(list(folder.glob("job_*")))
    plan = read(folder / "plan.json", []) or ["run"]
    what, _, state = plan[min(number, len(plan) - 1)].partition(" ")
    job = {"name": name, "job": 100 + number, "tasks": int(last[1]) + 1 if last else 1, "what": what, "state": state}
    job |= {"pids": [], "script": str(script)}
    if what != "hold":
        job["pids"] = [start(script, job, index, what) for index in range(job["tasks"])]
    write(folder / f"job_{number}", job)
    print(job["job"])


def start(script: Path, job: dict[str, Any], index: int, what: str) -> int:
    environment = {**os.environ, "SLURM_ARRAY_JOB_ID": str(job["job"]), "SLURM_ARRAY_TASK_ID": str(index)}
    log = script.with_name(f"{index}.log").open("ab")
    command = ["bash", str(script)]
    if what == "kill":
        command = [sys.executable, "-I", __file__, str(script.parents[2] / "marks"), "killer", str(script)]
    done = subprocess.Popen(
        command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
    )
    return done.pid


def killer(marks: Path, words: list[str]) -> None:
    """Run a task, and end it as Slurm does when a trial of it has begun and some have ended."""
    wanted = os.environ.get("FAKE_ENDED", "0")
    number = Path(words[0]).parent.name
    done = subprocess.Popen(["bash", words[0]], start_new_session=True)
    while True:
        begun, ended = (len(list(marks.glob(f"*.{number}.{kind}"))) for kind in ("begun", "ended"))
        if ended >= int(wanted) and begun > ended:
            break
        time.sleep(0.02)
    time.sleep(0.2)
    done.send_signal(signal.SIGTERM)
    done.wait()


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def state_of(job: dict[str, Any], index: int) -> str:
    if job["what"] == "hold":
        return job["state"] or "PENDING"
    if alive(job["pids"][index]):
        return "RUNNING"
    return job["state"] or "COMPLETED"


def squeue(folder: Path, words: list[str]) -> None:
    names = next(word for word in words if word.startswith("--name=")).partition("=")[2].split(",")
    for path in folder.glob("job_*"):
        job = read(path, {})
        for index in range(job["tasks"] if job["name"] in names else 0):
            state = state_of(job, index)
            if state != "GONE":
                print(f"{job['name']}|{job['job']}|{index}|{state}|None")


def scancel(folder: Path, words: list[str]) -> None:
    for path in folder.glob("job_*"):
        job = read(path, {})
        tasks = [index for index in range(job["tasks"]) for word in words
                 if word in (str(job["job"]), f"{job['job']}_{index}")]  # fmt: skip
        for index in tasks:
            if job["pids"] and alive(job["pids"][index]):
                os.killpg(job["pids"][index], signal.SIGTERM)
        if tasks and not job["state"]:
            write(path, {**job, "state": "CANCELLED"})


def main() -> int:
    folder, program, *words = Path(sys.argv[1]), *sys.argv[2:]
    if program == "killer":
        killer(folder, words)
        return 0
    with (folder / "calls").open("a") as calls:
        calls.write(json.dumps([program, *words]) + "\n")
    for name in (program, "all"):
        fails = folder / f"fails_{name}"
        if fails.exists():
            print(fails.read_text(), file=sys.stderr)
            return 1
    if program == "scontrol":
        print(f"MaxArraySize            = {read(folder / 'array_size', 1001)}")
    elif program == "sacct":
        print((folder / "accounts").read_text(), end="")
    else:
        {"sbatch": sbatch, "squeue": squeue, "scancel": scancel}[program](folder, words)
    return 0


if __name__ == "__main__":
    sys.exit(main())
