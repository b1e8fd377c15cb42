"""A killed writer loses nothing that was recorded, at whatever moment it is killed."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import numpy as np

from deffe.records import Batch, State
from deffe.space import DesignSpace, Parameter
from deffe.store import Store

POINTS = 150
KILLS = (1, 2, 17, 40, 51)
SPACE = DesignSpace(tuple(Parameter(name, tuple(range(20))) for name in "abc"))

WRITER = """
import sys
from pathlib import Path
import numpy as np
sys.path.insert(0, {here!r})
from test_store_kill import POINTS, cost_of, open_store, step_points
from deffe.records import Outcome, State

store = open_store(Path(sys.argv[1]))
for step in range(POINTS // 50):
    batch = store.batch(0, step)
    if batch is None:
        batch = store.propose(0, step_points(step))
    print("step", step, flush=True)
    for row in np.flatnonzero(store.states(0, batch.ids) == State.WAITING):
        number = int(batch.numbers[row])
        outcome = Outcome(np.array([row]), np.array([State.DONE], dtype=np.int8), np.array([[cost_of(number)]]))
        store.record(0, batch, outcome, "evaluated")
        print(number, flush=True)
store.close()
"""

HALF_WRITTEN = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, {here!r})
from test_store_kill import SPACE, open_store
import numpy as np
from deffe.store import rows

store = open_store(Path(sys.argv[1]))
rows.CHUNK = 500
store._connection.execute("PRAGMA cache_size = 5")  # so that the database is changed before the commit
make_rows, calls = rows.point_rows, []

def killed(*arguments):
    calls.append(1)
    if len(calls) == 4:
        os.kill(os.getpid(), signal.SIGKILL)
    return make_rows(*arguments)

rows.point_rows = killed
store.propose(0, SPACE.of_levels(5, SPACE.sample(3000, np.random.default_rng(5))))
"""


def open_store(folder: Path) -> Store:
    log = logging.getLogger("test")
    return Store.create_or_resume(
        folder, spaces=[SPACE], names=["explore_0"], costs=["cycles"], config_text="{}", digest="0", log=log
    )


def step_points(step: int) -> Batch:
    """50 points, of which no other step has any."""
    return SPACE.of_levels(step, SPACE.points(np.arange(50) * 100 + step))


def cost_of(number: int) -> float:
    return 1000.0 + number / 7


def start(code: str, folder: Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", code.format(here=str(Path(__file__).parent)), str(folder)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True)


def ended(code: str, folder: Path) -> int:
    """The exit status of a writer that is left alone."""
    with start(code, folder) as writer:
        writer.communicate()
    return writer.returncode


def killed_after(lines: int, folder: Path) -> list[str]:
    """Kill a writer once it has said this many lines; all that it has said."""
    with start(WRITER, folder) as writer:
        assert writer.stdout is not None
        said = [writer.stdout.readline() for _ in range(lines)]
        writer.kill()
        said += writer.stdout.readlines()
    assert writer.returncode in (-signal.SIGKILL, 0)
    return [line.strip() for line in said if line.endswith("\n")]


def test_everything_recorded_before_a_kill_is_there(tmp_path: Path) -> None:
    recorded: set[int] = set()
    for lines in KILLS:
        said = killed_after(lines, tmp_path)
        recorded |= {int(line) for line in said if not line.startswith("step")}
        with closing(Store.read(tmp_path)) as store:
            table = store.table(0).set_index("number")
            assert set(table.index[table["state"] == "done"]) >= recorded
            # one more may have been committed without our hearing of it
            assert store.count(0)[State.DONE] <= len(recorded) + len(KILLS)
            assert all(table.loc[n, "cycles"] == cost_of(n) for n in recorded)
    for folder in (tmp_path, tmp_path / "other"):  # to its end, and never stopped
        assert ended(WRITER, folder) == 0
    with closing(Store.read(tmp_path)) as store, closing(Store.read(tmp_path / "other")) as other:
        for a, b in zip(store.done(0), other.done(0), strict=True):
            np.testing.assert_array_equal(a, b)
        assert store.count(0)[State.DONE] == POINTS


def test_a_half_written_proposal_is_undone_for_readers_and_writers(tmp_path: Path) -> None:
    with closing(open_store(tmp_path)) as store:
        before = store.propose(0, step_points(0))
    size = (tmp_path / "deffe.sqlite").stat().st_size
    for opened in (Store.read, open_store):
        assert ended(HALF_WRITTEN, tmp_path) == -signal.SIGKILL
        assert (tmp_path / "deffe.sqlite").stat().st_size > size  # the kill came in the middle
        with closing(opened(tmp_path)) as store:
            assert store.batch(0, 5) is None
            np.testing.assert_array_equal(store.known(0), before.ids)
            assert len(store.table(0)) == len(before)


def test_a_run_killed_while_it_is_made_can_be_started_again(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys\nfrom pathlib import Path\nsys.path.insert(0, {here!r})\n"
        "from test_store_kill import open_store\nfrom deffe.store import rows\n"
        "rows.create = lambda *a: os.kill(os.getpid(), signal.SIGKILL)\nopen_store(Path(sys.argv[1]))\n"
    )
    assert ended(code, tmp_path) == -signal.SIGKILL
    with closing(open_store(tmp_path)) as store:
        assert len(store.propose(0, step_points(0))) == 50
