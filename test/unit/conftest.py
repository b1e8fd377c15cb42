"""What several unit tests need."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from deffe.executors.local import LocalExecutor


@pytest.fixture
def executor() -> Iterator[LocalExecutor]:
    """Two slots of this machine."""
    made = LocalExecutor(2)
    yield made
    made.close()
