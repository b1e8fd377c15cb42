"""Makes the checkout's Python environment, .venv: if there is none, again when its inputs change, never twice at once.

Run by setup.source with any Python 3.10 or newer; needs nothing but the standard library.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TextIO

CHECKOUT = Path(__file__).resolve().parents[1]
ENVIRONMENT = CHECKOUT / ".venv"
PYTHON = ENVIRONMENT / "bin" / "python"
STAMP = ENVIRONMENT / "deffe.json"
LOCK = CHECKOUT / ".venv.lock"  # not empty: the environment is in the making, or its making was cut short


class SetupError(Exception):
    """Why there is no environment, and what to do."""


@dataclass(frozen=True)
class Stamp:
    """What a finished environment was made from: kept in it, and missing from a user's own."""

    checkout: str
    inputs: str
    extras: list[str]


def main(extras: str) -> int:
    """Have .venv hold the base and these comma-separated extras; silent when it does already."""
    wanted = {extra.strip() for extra in extras.split(",")} - {""}
    try:
        check_extras(wanted)
        if not is_ready(wanted):
            with locked() as lock:
                if not is_ready(wanted):
                    make(wanted, lock)
    except SetupError as error:
        say(str(error))
    except OSError as error:
        say(f"cannot make {ENVIRONMENT}: {error}")
    except KeyboardInterrupt:
        say("interrupted; source setup.source again to finish the environment")
        return 130
    else:
        return 0
    return 1


def check_extras(wanted: set[str]) -> None:
    """Raise SetupError on an extra that pyproject.toml does not have; pip would only warn."""
    _, _, section = (CHECKOUT / "pyproject.toml").read_text().partition("\n[project.optional-dependencies]\n")
    known = re.findall(r"^([\w-]+) = ", section.partition("\n[")[0], re.MULTILINE)
    if unknown := sorted(wanted - set(known)):
        raise SetupError(f"no extra named {', '.join(unknown)} (in DEFFE_EXTRAS); known: {', '.join(known)}")


def is_ready(wanted: set[str]) -> bool:
    """Whether .venv is finished, was made here from the present inputs, and has these extras."""
    stamp = read_stamp()
    return (
        stamp is not None
        and (stamp.checkout, stamp.inputs) == (str(CHECKOUT), digest())
        and wanted.issubset(stamp.extras)
        and PYTHON.exists()
        and not was_cut_short()
    )


def make(wanted: set[str], lock: TextIO) -> None:
    """Make .venv, or update one that works; the lock stays marked when this is cut short."""
    stamp = None if was_cut_short() else read_stamp()
    moved = stamp is not None and stamp.checkout != str(CHECKOUT)
    works = PYTHON.exists() and not was_cut_short() and not moved
    if stamp or not works:  # a user's own environment is never marked, since what is marked gets replaced
        lock.write("in the making")
        lock.flush()
    if works:
        say(f"updating the environment {ENVIRONMENT}")
    else:
        say(f"making the environment {ENVIRONMENT} (a minute or two)")
        create()
    extras = sorted(wanted | set(stamp.extras if stamp else ()))
    install(extras)
    STAMP.write_text(json.dumps(asdict(Stamp(str(CHECKOUT), digest(), extras))))
    lock.truncate(0)


def create() -> None:
    """Make an empty environment, with a venv module from the system's packages where Debian leaves it out."""
    python = os.path.realpath(sys.executable)  # not the one of an environment, which may be the one to replace
    if subprocess.run([python, "-c", "import ensurepip"], capture_output=True).returncode:
        install_venv_module()
    run([python, "-m", "venv", "--clear", "--prompt", "deffe", str(ENVIRONMENT)])


def install_venv_module() -> None:
    """Install Debian's package of the venv module, as root or by a sudo that asks for no password."""
    package = f"python{sys.version_info.major}.{sys.version_info.minor}-venv"
    if shutil.which("apt-get") is None:
        raise SetupError(f"{sys.executable} has no ensurepip module: install your system's package of it ({package})")
    sudo = [] if os.geteuid() == 0 else ["sudo", "-n"]
    if sudo and (shutil.which("sudo") is None or subprocess.run([*sudo, "true"], capture_output=True).returncode):
        raise SetupError(f"{package} is missing: run 'sudo apt-get update; sudo apt-get install {package}', then again")
    say(f"installing {package}")
    apt_get = [*sudo, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-o", "DPkg::Lock::Timeout=300"]
    try:
        run([*apt_get, "update"])
    except SetupError as error:  # one source out of reach need not matter
        say(str(error))
    run([*apt_get, "install", "-y", "--no-install-recommends", package])


def install(extras: Sequence[str]) -> None:
    """Install the checkout, editable, with these extras in the tested versions."""
    pip = [str(PYTHON), "-I", "-m", "pip", "--disable-pip-version-check", "install"]
    target = f".[{','.join(extras)}]" if extras else "."
    run([*pip, "--constraint", "requirements.txt", "--editable", target])


def run(command: Sequence[str]) -> None:
    """Run a command in the checkout; raise SetupError with the end of its output when it fails."""
    environment = {**os.environ, "PIP_USER": "0"}
    done = subprocess.run(
        command,
        cwd=CHECKOUT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        close_fds=False,  # whatever outlives this process goes on holding the lock
    )
    if done.returncode:
        end = "\n".join(f"    {line}" for line in done.stdout.splitlines()[-20:])
        raise SetupError(f"this failed with exit status {done.returncode}: {shlex.join(command)}\n{end}")


@contextmanager
def locked() -> Iterator[TextIO]:
    """Hold the lock of this checkout's environment; the system frees it however the process ends."""
    with LOCK.open("a") as lock:
        os.set_inheritable(lock.fileno(), True)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another set-up of this checkout")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock


def was_cut_short() -> bool:
    """Whether the making of the environment began and did not end."""
    return LOCK.exists() and LOCK.stat().st_size > 0


def read_stamp() -> Stamp | None:
    """What the environment was made from; None for no environment, or not one of ours."""
    try:
        return Stamp(**json.loads(STAMP.read_text()))
    except (OSError, ValueError, TypeError):
        return None


def digest() -> str:
    """One text that changes when the dependencies do."""
    inputs = (CHECKOUT / name for name in ("pyproject.toml", "requirements.txt"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in inputs)).hexdigest()


def say(text: str) -> None:
    """Tell the user, beside whatever the sourcing shell writes to standard output."""
    sys.stderr.write(f"deffe: {text}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
