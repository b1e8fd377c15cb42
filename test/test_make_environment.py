"""Set-up: one whole environment is made, from any shell, by however many at once, however often cut short."""

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import make_environment
import pytest

CHECKOUT = Path(__file__).resolve().parents[1]
SHELLS = ("bash", "dash", "sh", "zsh")


class CutError(Exception):
    """Stands for the power cut."""


class Installation:
    """Takes the place of venv and pip: notes each command, leaves a working python, fails on demand."""

    def __init__(self, checkout: Path) -> None:
        self.python = checkout / ".venv" / "bin" / "python"
        self.commands: list[str] = []
        self.fails_at = ""

    def run(self, command: Sequence[str]) -> None:
        kind = "venv" if "venv" in command else command[-1]
        self.commands.append(kind)
        if self.fails_at and self.fails_at in kind:
            raise CutError
        self.python.parent.mkdir(parents=True, exist_ok=True)
        self.python.touch()

    def taken(self) -> list[str]:
        commands, self.commands = self.commands, []
        return commands


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("pyproject.toml", "requirements.txt"):
        shutil.copy(CHECKOUT / name, tmp_path / name)
    monkeypatch.setattr(make_environment, "CHECKOUT", tmp_path)
    monkeypatch.setattr(make_environment, "ENVIRONMENT", tmp_path / ".venv")
    monkeypatch.setattr(make_environment, "PYTHON", tmp_path / ".venv" / "bin" / "python")
    monkeypatch.setattr(make_environment, "STAMP", tmp_path / ".venv" / "deffe.json")
    monkeypatch.setattr(make_environment, "LOCK", tmp_path / ".venv.lock")
    return tmp_path


@pytest.fixture
def installation(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> Installation:
    stand_in = Installation(checkout)
    monkeypatch.setattr(make_environment, "run", stand_in.run)
    monkeypatch.setattr(make_environment, "install_venv_module", lambda: None)
    return stand_in


def test_made_once_then_silent(installation: Installation, capfd: pytest.CaptureFixture[str]) -> None:
    assert make_environment.main("") == 0
    assert installation.taken() == ["venv", "."]
    capfd.readouterr()
    assert make_environment.main("") == 0
    assert installation.taken() == []
    assert capfd.readouterr() == ("", "")


def test_extras_add_up_and_stay(installation: Installation, checkout: Path) -> None:
    make_environment.main("test")
    make_environment.main("report, dask")
    assert installation.taken() == ["venv", ".[test]", ".[dask,report,test]"]
    make_environment.main("")
    make_environment.main("dask")
    assert installation.taken() == []


@pytest.mark.parametrize("name", ["pyproject.toml", "requirements.txt"])
def test_updated_when_an_input_changes(installation: Installation, checkout: Path, name: str) -> None:
    make_environment.main("test")
    installation.taken()
    with (checkout / name).open("a") as file:
        file.write("# changed\n")
    make_environment.main("")
    assert installation.taken() == [".[test]"]


@pytest.mark.parametrize("step", ["venv", "."])
def test_made_anew_after_a_cut(installation: Installation, step: str) -> None:
    installation.fails_at = step
    with pytest.raises(CutError):
        make_environment.main("")
    installation.fails_at = ""
    installation.taken()
    assert make_environment.main("") == 0
    assert installation.taken() == ["venv", "."]
    make_environment.main("")
    assert installation.taken() == []


def test_made_anew_where_the_checkout_moved_or_its_python_is_gone(installation: Installation, checkout: Path) -> None:
    make_environment.main("test")
    stamp = checkout / ".venv" / "deffe.json"
    stamp.write_text(json.dumps({**json.loads(stamp.read_text()), "checkout": "/elsewhere"}))
    installation.taken()
    make_environment.main("")
    assert installation.taken() == ["venv", ".[test]"]
    installation.python.unlink()
    make_environment.main("")
    assert installation.taken() == ["venv", ".[test]"]


def test_a_users_own_environment_is_never_replaced(installation: Installation, checkout: Path) -> None:
    installation.python.parent.mkdir(parents=True)
    installation.python.touch()
    installation.fails_at = "."
    for _ in range(2):
        with pytest.raises(CutError):
            make_environment.main("")
    assert installation.taken() == [".", "."]


def test_unknown_extra_is_named(installation: Installation, capfd: pytest.CaptureFixture[str]) -> None:
    assert make_environment.main("test,nothing") == 1
    assert "nothing" in capfd.readouterr().err
    assert installation.taken() == []


def test_only_one_makes_it_at_a_time(installation: Installation, capfd: pytest.CaptureFixture[str]) -> None:
    other = threading.Thread(target=make_environment.main, args=("",))
    with make_environment.locked():
        other.start()
        while "waiting" not in (text := capfd.readouterr().err):
            assert other.is_alive(), text
        make_environment.make(set(), make_environment.LOCK.open("a"))
        assert installation.taken() == ["venv", "."]
    other.join()
    assert installation.taken() == []


def test_a_failed_command_is_shown_with_its_output(checkout: Path) -> None:
    with pytest.raises(make_environment.SetupError, match=r"(?s)status 3.*the reason"):
        make_environment.run(["sh", "-c", "echo the reason; exit 3"])


@pytest.fixture
def sourced(tmp_path: Path) -> Path:
    """A checkout with a space in its path, whose environment is bare and quickly made."""
    root = tmp_path / "a checkout"
    (root / "framework").mkdir(parents=True)
    shutil.copy(CHECKOUT / "setup.source", root)
    (root / "framework" / "make_environment.py").write_text(
        "import subprocess, sys, pathlib\n"
        "if sys.argv[1] == 'broken': sys.exit(1)\n"
        "folder = pathlib.Path(__file__).parents[1] / '.venv'\n"
        "subprocess.run([sys.executable, '-m', 'venv', '--without-pip', folder], check=True)\n"
    )
    return root


def shell(name: str, code: str, folder: Path, **environment: str) -> list[str]:
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not installed")
    clean = {key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ}
    done = subprocess.run([name, "-c", code], cwd=folder, env={**clean, **environment}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


REPORT = """; echo "$?"; echo "$DEFFE_DIR"; echo "$VIRTUAL_ENV"; command -v python; set | grep -ci ^_deffe"""


@pytest.mark.parametrize("name", SHELLS)
@pytest.mark.parametrize("options", ["", "set -eu; "])
def test_sourcing_activates_and_leaves_nothing_behind(sourced: Path, name: str, options: str) -> None:
    venv = sourced / ".venv"
    lines = shell(name, f"{options}. ./setup.source{REPORT} || :", sourced, DEFFE_PYTHON=sys.executable)
    assert lines == ["0", str(sourced), str(venv), str(venv / "bin" / "python"), "0"]


@pytest.mark.parametrize("name", ["bash", "zsh"])
def test_sourcing_works_from_any_folder(sourced: Path, tmp_path: Path, name: str) -> None:
    for path in (sourced / "setup.source", "a checkout/setup.source"):
        lines = shell(name, f". '{path}'; echo $DEFFE_DIR", tmp_path, DEFFE_PYTHON=sys.executable)
        assert lines == [str(sourced)]


def test_plain_sh_finds_the_checkout_from_a_folder_in_it(sourced: Path) -> None:
    lines = shell("dash", ". ../setup.source; echo $DEFFE_DIR", sourced / "framework", DEFFE_PYTHON=sys.executable)
    assert lines == [str(sourced)]


@pytest.mark.parametrize("name", SHELLS)
def test_failing_leaves_the_shell_alive_and_unchanged(sourced: Path, name: str) -> None:
    extras = {"DEFFE_EXTRAS": "broken", "DEFFE_PYTHON": sys.executable}
    code = """. ./setup.source; echo "$? [$DEFFE_DIR] [$VIRTUAL_ENV]" """
    assert shell(name, code, sourced, **extras) == ["1 [] []"]
    assert shell(name, code, sourced, DEFFE_PYTHON="/no/such/python") == ["1 [] []"]
