"""Packaging: the wheel, the sdist, the editable install and the bare script all find the core and every plugin."""

import itertools
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

CHECKOUT = Path(__file__).resolve().parents[1]
PLUGINS = ("evaluators", "explorers", "extractors", "models", "samplers")
PYTHONS = ("3.10", "3.11", "3.12", "3.13")


def run(command: Sequence[str | Path], folder: Path, **environment: str) -> str:
    """Run a command outside the checkout's reach; what it writes is returned, and is the failure's message."""
    clean = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "DEFFE_DIR")}
    done = subprocess.run(
        command,
        cwd=folder,
        env={**clean, "PYTHONDONTWRITEBYTECODE": "1", **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def python(folder: Path, code: str, **environment: str) -> str:
    return run([sys.executable, "-c", code], folder, **environment).strip()


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what the packages are built from, in a folder with a space in its name."""
    return copy_checkout(tmp_path_factory.mktemp("a checkout"))


def copy_checkout(copy: Path) -> Path:
    ignore = shutil.ignore_patterns("__pycache__", ".*_cache")
    copy.mkdir(exist_ok=True)
    for folder in ("framework", *PLUGINS):
        shutil.copytree(CHECKOUT / folder, copy / folder, ignore=ignore)
    for file in ("pyproject.toml", "README.md", "LICENSE", ".gitignore", "requirements.txt", "setup.source"):
        shutil.copy(CHECKOUT / file, copy / file)
    return copy


@pytest.fixture(scope="module")
def sdist(checkout: Path) -> Path:
    run([sys.executable, "-m", "hatchling", "build", "-t", "sdist"], checkout)
    return next((checkout / "dist").glob("*.tar.gz"))


@pytest.fixture(scope="module")
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the unpacked sdist, so that the sdist is known to be complete."""
    folder = tmp_path_factory.mktemp("sdist")
    shutil.unpack_archive(sdist, folder)
    (source,) = folder.iterdir()
    run([sys.executable, "-m", "hatchling", "build", "-t", "wheel"], source)
    return next((source / "dist").glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    site = tmp_path_factory.mktemp("site")
    run([sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--target", site, wheel], site)
    return site


def modules(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*.py")}


def test_wheel_holds_every_module_and_nothing_beside_the_package(wheel: Path, checkout: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    expected = {f"deffe/{name}" for name in modules(checkout / "framework" / "deffe")}
    for folder in PLUGINS:
        expected |= {f"deffe/{folder}/{name}" for name in modules(checkout / folder)}
    assert expected == {name for name in names if name.endswith(".py")}
    assert {name.split("/")[0].split("-")[0] for name in names} == {"deffe"}
    assert not [name for name in names if "__pycache__" in name]


def test_installed_wheel_is_used_without_the_checkout(installed: Path, tmp_path: Path) -> None:
    imports = ", ".join(f"deffe.{folder}" for folder in PLUGINS)
    code = f"import deffe, {imports}; print(*deffe.__path__, *deffe.samplers.__path__, sep='\\n')"
    lines = python(tmp_path, code, PYTHONPATH=str(installed)).splitlines()
    assert lines == [str(installed / "deffe"), str(installed / "deffe" / "samplers")]


def test_installed_command_starts(installed: Path, tmp_path: Path) -> None:
    assert "-config" in run([installed / "bin" / "run_deffe", "-h"], tmp_path, PYTHONPATH=str(installed))


def test_the_configuration_of_gem5_is_installed_and_no_package(installed: Path) -> None:
    folder = installed / "deffe" / "evaluators" / "_gem5"
    assert [path.name for path in folder.glob("*.py")] == ["cache_se.py"]


def test_bare_script_starts_from_any_folder(checkout: Path, tmp_path: Path) -> None:
    script = checkout / "framework" / "run_deffe.py"
    assert "-config" in run([sys.executable, script, "-h"], tmp_path)
    assert "-config" in run([sys.executable, "-I", script, "-h"], tmp_path)


def test_editable_install_sees_new_plugin_files(tmp_path: Path) -> None:
    checkout = copy_checkout(tmp_path / "a checkout")
    name = python(checkout, f"from hatchling.build import build_editable; print(build_editable({str(tmp_path)!r}))")
    site = tmp_path / "site"
    zipfile.ZipFile(tmp_path / name.splitlines()[-1]).extractall(site)
    (checkout / "samplers" / "made_later.py").write_text("")
    imports = f"import site; site.addsitedir({str(site)!r}); from deffe.samplers import made_later"
    without_other_installs = [sys.executable, "-S", "-c", f"{imports}; print(made_later.__file__)"]
    place = run(without_other_installs, tmp_path, PYTHONPATH=sysconfig.get_path("purelib")).strip()
    assert place == str(checkout / "samplers" / "made_later.py")


def test_version_is_the_package_s(wheel: Path) -> None:
    import deffe

    assert wheel.name.startswith(f"deffe-{deffe.__version__}-")


def project() -> dict[str, Any]:
    return tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]


def pins() -> list[Requirement]:
    lines = (CHECKOUT / "requirements.txt").read_text().splitlines()
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


def test_requirements_are_exact_and_name_no_host() -> None:
    text = (CHECKOUT / "requirements.txt").read_text()
    assert "torch==2.13.0" in text.splitlines()
    assert "://" not in text
    assert not re.search(r"^(nvidia|cuda|triton|-)", text, re.MULTILINE)
    for pin in pins():
        assert re.fullmatch(r"==[^,*]+", str(pin.specifier)), pin


@pytest.mark.parametrize("version", PYTHONS)
def test_requirements_fit_the_ranges_of_every_extra(version: str) -> None:
    target = {"python_version": version, "python_full_version": f"{version}.0", "sys_platform": "linux", "extra": ""}
    fixed: dict[str, str] = {}
    for pin in pins():
        if pin.marker is None or pin.marker.evaluate(target):
            name = canonicalize_name(pin.name)
            assert name not in fixed, f"{name} is pinned twice"
            fixed[name] = str(pin.specifier).removeprefix("==")
    metadata = project()
    ranges = [metadata["dependencies"], *metadata["optional-dependencies"].values()]
    for wanted in map(Requirement, itertools.chain(*ranges)):
        if wanted.name != "deffe" and (wanted.marker is None or wanted.marker.evaluate(target)):
            assert wanted.specifier.contains(fixed[canonicalize_name(wanted.name)]), wanted


def test_extra_all_is_every_extra_but_the_tools() -> None:
    extras = project()["optional-dependencies"]
    (everything,) = map(Requirement, extras["all"])
    assert everything.extras == set(extras) - {"all", "test"}


def readme_commands() -> list[str]:
    opening = (CHECKOUT / "README.md").read_text().partition("\n## ")[0]
    return [line for block in re.findall(r"```bash\n(.*?)```", opening, re.DOTALL) for line in block.splitlines()]


def test_readme_opens_with_the_two_commands() -> None:
    main_job, tests = readme_commands()
    assert "example/cachegrind.sh" in main_job
    assert tests in (CHECKOUT / ".ci" / "run").read_text().splitlines()


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_docker_commands_pass_proxies_and_mount_the_current_folder(tmp_path: Path) -> None:
    make = ["make", "-n", "-f", str(CHECKOUT / "Makefile.docker")]
    build = run([*make, "build"], tmp_path, http_proxy="http://proxy:1", no_proxy="")
    assert "--build-arg http_proxy " in build
    assert "no_proxy" not in build
    assert f'"{CHECKOUT}/docker/Dockerfile"' in build
    assert f'--volume "{tmp_path}":/work' in run([*make, "run"], tmp_path)
