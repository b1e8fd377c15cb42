"""The browser that tests of pages look at them with."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Chromium; tests that need it are skipped where there is none."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "benchmark"))
    from _browser import Browser, program

    if not program():
        pytest.skip("there is no Chromium: test/install_tools.sh installs it")
    made = Browser(program(), tmp_path_factory.mktemp("browser"))
    yield made
    made.close()
