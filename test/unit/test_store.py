"""The store keeps what was proposed and recorded, refuses what does not fit, and never harms a database."""

from __future__ import annotations

import json
import logging
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deffe.errors import PluginError, StoreError
from deffe.expressions import Expression
from deffe.records import Batch, Outcome, State, Trial
from deffe.space import Constraint, DesignSpace, Parameter
from deffe.store import Store, rows
from deffe.store.database import APPLICATION_ID, FORMAT

LOG = logging.getLogger("test")
ODD_NAMES = ["plain", "two words", 'quo"te', "com,ma", "new\nline", "ärger", "Step", "step", "ID", "cycles", "select"]
ODD_VALUES = (1, 2.5, "007", "7", "x y", 'q"', "a,b", "line\nbreak", "ü", True, False, 10**30, "\ud800")


def space_of(**values: tuple) -> DesignSpace:
    return DesignSpace(tuple(Parameter(name, found) for name, found in values.items()))


def plain_space() -> DesignSpace:
    return space_of(size=(1, 2, 4, 8), ways=(1, 2), kind=("lru", "fifo", "random"))


def open_store(folder: Path, *spaces: DesignSpace, costs: tuple[str, ...] = ("cycles", "power"), **changed) -> Store:
    spaces = spaces or (plain_space(),)
    names = [f"explore_{i}" for i in range(len(spaces))]
    given = {"config_text": "{}", "digest": "0", "log": LOG, "names": names, **changed}
    return Store.create_or_resume(folder, spaces=spaces, costs=costs, **given)


def propose(store: Store, space: DesignSpace, step: int = 0, count: int = 10, exploration: int = 0) -> Batch:
    rng = np.random.default_rng([step, exploration])
    return store.propose(exploration, space.of_levels(step, space.sample(count, rng)))


def done(rows: list[int], costs: list[list[float]], **more) -> Outcome:
    states = np.full(len(rows), State.DONE, dtype=np.int8)
    return Outcome(np.array(rows), states, np.array(costs, dtype=np.float64).reshape(len(rows), -1), **more)


def failed(row: int, state: State, reason: str) -> Outcome:
    return Outcome(np.array([row]), np.array([state], dtype=np.int8), np.full((1, 2), np.nan), (reason,))


# what is proposed


def test_proposed_points_come_back_in_their_order(tmp_path: Path) -> None:
    space = plain_space()
    with closing(open_store(tmp_path)) as store:
        first, second = propose(store, space, 0, 5), propose(store, space, 7, 20)
        expected = [first, second]
    with closing(open_store(tmp_path)) as store:
        for batch in expected:
            found = store.batch(0, batch.step)
            assert found is not None
            for name in ("levels", "ids", "numbers"):
                np.testing.assert_array_equal(getattr(found, name), getattr(batch, name))
        np.testing.assert_array_equal(store.known(0), np.concatenate([b.ids for b in expected]))
        assert store.batch(0, 3) is None
        assert (store.states(0, store.known(0)) == State.WAITING).all()


def test_a_point_is_proposed_once(tmp_path: Path) -> None:
    space = plain_space()
    with closing(open_store(tmp_path)) as store:
        everything = space.of_levels(0, space.sample(24, np.random.default_rng(0)))
        twice = everything.take(np.array([3, 3, 5, 3]))
        assert store.propose(0, twice).ids.tolist() == everything.ids[[3, 5]].tolist()
        rest = store.propose(0, everything)
        assert len(rest) == 22
        assert len(store.propose(0, everything)) == 0
        assert len(np.unique(store.known(0))) == 24
        assert store.batch(0, 0).numbers.tolist() == list(range(24))


def test_an_empty_proposal_is_remembered(tmp_path: Path) -> None:
    space = plain_space()
    with closing(open_store(tmp_path)) as store:
        assert store.batch(0, 4) is None
        store.save_step(0, 4, {})
        assert store.batch(0, 4) is None
        store.propose(0, space.of_levels(4, space.sample(0, np.random.default_rng(0))))
    with closing(open_store(tmp_path)) as store:
        assert len(store.batch(0, 4)) == 0
        assert len(store.table(0)) == 0


def test_numbers_run_over_all_explorations_and_restarts(tmp_path: Path) -> None:
    spaces = (plain_space(), space_of(other=(1, 2, 3)))
    numbers: list[int] = []
    for step in range(3):
        with closing(open_store(tmp_path, *spaces)) as store:
            for exploration, space in enumerate(spaces):
                numbers += propose(store, space, step, 4, exploration).numbers.tolist()
    assert numbers == list(range(len(numbers)))


# what is recorded


def test_outcomes_come_back_as_they_were(tmp_path: Path) -> None:
    space = plain_space()
    with closing(open_store(tmp_path)) as store:
        batch = propose(store, space, 0, 6)
        folder = store.folder / "explore_2"
        trial = Trial(int(batch.numbers[2]), {}, folder)
        store.record(0, batch, done([2], [[10, 0.1]], seconds=np.array([1.5]), trial=trial), "evaluated")
        store.record_many(
            0, batch, [done([4, 0], [[3, 4], [5, 6]]), failed(1, State.TIMED_OUT, "too slow")], "pre_evaluated"
        )
        seen = store.table(0)
    with closing(open_store(tmp_path)) as store:
        pd.testing.assert_frame_equal(store.table(0), seen)
        levels, costs, ids = store.done(0)
        np.testing.assert_array_equal(levels, batch.levels[[0, 2, 4]])
        np.testing.assert_array_equal(costs, [[5, 6], [10, 0.1], [3, 4]])
        np.testing.assert_array_equal(ids, batch.ids[[0, 2, 4]])
        codes = [State.DONE, State.TIMED_OUT, State.DONE, State.WAITING, State.DONE, State.WAITING]
        assert store.states(0, batch.ids).tolist() == codes
        assert store.count(0)[State.DONE] == 3
        assert sum(store.count(0).values()) == 6
    assert seen["state"].tolist() == ["done", "timed_out", "done", "waiting", "done", "waiting"]
    assert seen["reason"].tolist() == ["", "too slow", "", "", "", ""]
    assert seen["source"].tolist() == ["pre_evaluated", "pre_evaluated", "evaluated", "", "pre_evaluated", ""]
    assert seen["folder"].tolist() == ["", "", str(folder), "", "", ""]
    assert seen["evaluate_s"].tolist()[2] == 1.5
    assert seen["cycles"].isna().tolist() == [False, True, False, True, False, True]
    np.testing.assert_array_equal(space.encode(seen), batch.levels)


def test_states_of_points_never_proposed(tmp_path: Path) -> None:
    with closing(open_store(tmp_path)) as store:
        assert store.states(0, np.array([1, 2])).tolist() == [-1, -1]
        batch = propose(store, plain_space(), 0, 3)
        missing = np.array([batch.ids[1], batch.ids.max() + 1, batch.ids[0]])
        assert store.states(0, missing).tolist() == [0, -1, 0]


def test_a_run_directory_can_be_moved(tmp_path: Path) -> None:
    with closing(open_store(tmp_path / "old")) as store:
        batch = propose(store, plain_space())
        inside, outside = Trial(0, {}, store.folder / "e0"), Trial(1, {}, Path("/elsewhere/e1"))
        store.record_many(
            0, batch, [done([0], [[1, 1]], trial=inside), done([1], [[1, 1]], trial=outside)], "evaluated"
        )
    (tmp_path / "old").rename(tmp_path / "new")
    with closing(Store.read(tmp_path / "new")) as store:
        assert store.table(0)["folder"].tolist()[:2] == [str(tmp_path / "new" / "e0"), "/elsewhere/e1"]


def test_folders_of_points_evaluated_elsewhere_are_kept_as_they_are(tmp_path: Path) -> None:
    inside = str(tmp_path / "old" / "e1")
    with closing(open_store(tmp_path / "old")) as store:
        batch = propose(store, plain_space())
        outcome = done([3, 1, 2], [[1, 1]] * 3, folders=("/elsewhere/e3", "", inside))
        store.record(0, batch, outcome, "pre_evaluated")
    (tmp_path / "old").rename(tmp_path / "new")
    with closing(Store.read(tmp_path / "new")) as store:
        assert store.table(0)["folder"].tolist()[:4] == ["", "", inside, "/elsewhere/e3"]
    with pytest.raises(ValueError, match="folders: expected 0 or 2, got 1"):
        done([0, 1], [[1, 1]] * 2, folders=("a",))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_done_point_has_finite_costs(tmp_path: Path, bad: float) -> None:
    with closing(open_store(tmp_path)) as store:
        batch = propose(store, plain_space())
        store.record(0, batch, done([0, 1], [[1, 2], [3, bad]]), "evaluated")
        row = store.table(0).iloc[1]
        assert row["state"] == "failed"
        assert "'power'" in row["reason"]
        assert np.isnan(row["cycles"])
        assert len(store.done(0)[0]) == 1


def test_outcomes_that_make_no_sense_are_refused_whole(tmp_path: Path) -> None:
    with closing(open_store(tmp_path)) as store:
        space = plain_space()
        batch = propose(store, space, 0, 4)
        good = done([0], [[1, 2]])
        wrong = [done([4], [[1, 2]]), done([-1], [[1, 2]]), done([1], [[1, 2, 3]])]
        wrong.append(Outcome(np.array([1]), np.array([9], dtype=np.int8), np.zeros((1, 2))))
        for outcome in wrong:
            with pytest.raises(PluginError):
                store.record_many(0, batch, [good, outcome], "evaluated")
        with pytest.raises(ValueError, match="not proposed"):
            store.record(0, space.of_levels(0, space.sample(4, np.random.default_rng(5))), good, "evaluated")
        assert store.count(0)[State.DONE] == 0


@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_any_sequence_of_records_survives_a_restart(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder, space = tmp_path_factory.mktemp("run"), plain_space()
    expected: dict[int, tuple[int, float]] = {}
    for step in range(data.draw(st.integers(1, 4))):
        with closing(open_store(folder)) as store:
            batch = propose(store, space, step, data.draw(st.integers(0, 9)))
            expected.update({int(i): (0, np.nan) for i in batch.ids})
            for row in data.draw(st.lists(st.integers(0, 8), max_size=6)):
                if row < len(batch):
                    state = data.draw(st.sampled_from([State.DONE, State.FAILED, State.INVALID]))
                    cost = data.draw(st.floats(allow_nan=False, allow_infinity=False))
                    values = np.array([[cost, 1.0]]) if state == State.DONE else np.full((1, 2), np.nan)
                    store.record(
                        0, batch, Outcome(np.array([row]), np.array([state], dtype=np.int8), values), "evaluated"
                    )
                    expected[int(batch.ids[row])] = (int(state), values[0, 0])
    with closing(open_store(folder)) as store:
        ids = store.known(0)
        assert store.states(0, ids).tolist() == [expected[int(i)][0] for i in ids]
        costs = {int(i): float(c[0]) for c, i in zip(*store.done(0)[1:], strict=True)}
        assert costs == {i: cost for i, (state, cost) in expected.items() if state == State.DONE}


# names, values and types


def test_any_names_and_values_round_trip(tmp_path: Path) -> None:
    parameters = tuple(Parameter(name, ODD_VALUES[i:] + ODD_VALUES[:i]) for i, name in enumerate(ODD_NAMES))
    space = DesignSpace(parameters)
    costs = ("Cycles", "cost of\n'it'", 'a"b', "state")
    with closing(open_store(tmp_path, space, costs=costs)) as store:
        batch = propose(store, space, 0, 50)
        store.record(0, batch, done(list(range(50)), np.arange(200.0).reshape(50, 4).tolist()), "evaluated")
        table = store.table(0)
    with closing(open_store(tmp_path, space, costs=costs)) as store:
        np.testing.assert_array_equal(store.batch(0, 0).levels, batch.levels)
        np.testing.assert_array_equal(store.done(0)[1], np.arange(200.0).reshape(50, 4))
        assert table.columns.is_unique
        assert set(ODD_NAMES) | set(costs) <= set(table.columns)
        for name in ODD_NAMES:
            expected = space.frame(batch.levels)[name].tolist()
            assert list(zip(map(type, table[name]), table[name], strict=True)) == list(
                zip(map(type, expected), expected, strict=True)
            )
    with closing(sqlite3.connect(tmp_path / "deffe.sqlite")) as connection:
        columns = [row[1] for row in connection.execute("PRAGMA table_info(exploration_0)")]
        assert len({name.lower() for name in columns}) == len(columns) == 9 + len(ODD_NAMES) + len(costs)


def test_columns_have_the_types_of_their_values(tmp_path: Path) -> None:
    space = space_of(whole=(1, 2), real=(0.5, 1.0), mixed=(1, 2.5), flag=(True, False), word=("a", "b"))
    with closing(open_store(tmp_path, space)) as store:
        assert store.table(0)["whole"].dtype == np.int64
        batch = propose(store, space, 0, 20)
        table = store.table(0)
        pd.testing.assert_frame_equal(table[list(space.names)], space.frame(batch.levels), check_dtype=True)
        assert table["id"].tolist() == [f"{i % 2**64:016x}" for i in batch.ids.tolist()]


def test_inactive_parameters_are_empty(tmp_path: Path) -> None:
    when = Expression("cache > 0", ["cache"])
    space = DesignSpace(
        (
            Parameter("cache", (0, 1)),
            Parameter("ways", (2, 4), when=when),
            Parameter("policy", ("lru", "fifo"), when=when),
        )
    )
    with closing(open_store(tmp_path, space)) as store:
        batch = propose(store, space, 0, 100)
        assert len(batch) == 5
    with closing(open_store(tmp_path, space)) as store:
        np.testing.assert_array_equal(store.batch(0, 0).levels, batch.levels)
        table = store.table(0)
        off = table[table["cache"] == 0]
        assert off[["ways", "policy"]].isna().all(axis=None)
        assert table[table["cache"] == 1][["ways", "policy"]].notna().all(axis=None)


def test_a_large_batch_is_kept_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "CHUNK", 7)
    space = space_of(a=tuple(range(10)), b=tuple(range(10)))
    costs = np.random.default_rng(0).random((100, 2))
    with closing(open_store(tmp_path, space)) as store:
        batch = propose(store, space, 0, 100)
        order = np.random.default_rng(1).permutation(100)
        states = np.full(100, State.DONE, dtype=np.int8)
        store.record(0, batch, Outcome(order, states, costs[order]), "evaluated")
    with closing(open_store(tmp_path, space)) as store:
        np.testing.assert_array_equal(store.done(0)[0], batch.levels)
        np.testing.assert_array_equal(store.done(0)[1], costs)
        np.testing.assert_array_equal(store.table(0)[["cycles", "power"]], costs)


# steps and notes


def test_reports_and_notes_round_trip(tmp_path: Path) -> None:
    report = {"errors": [{"cost": "cycles", "mape": np.float64(1.5), "points": np.int64(3)}], "list": np.arange(2)}
    with closing(open_store(tmp_path)) as store:
        store.save_step(0, 2, {"old": 1})
        store.save_step(0, 2, report)
        propose(store, plain_space(), 2)
        store.set_meta("seed", 7)
        store.set_meta("seed", [8, None])
    with closing(open_store(tmp_path)) as store:
        assert store.steps(0) == {2: {"errors": [{"cost": "cycles", "mape": 1.5, "points": 3}], "list": [0, 1]}}
        assert store.get_meta("seed") == [8, None]
        assert store.get_meta("nothing", 5) == 5


def test_the_history_of_the_configuration_is_kept(tmp_path: Path) -> None:
    for text in ("{}", "{}", '{"a": 1}', "{}"):
        open_store(tmp_path, config_text=text, digest=str(len(text))).close()
    with closing(Store.read(tmp_path)) as store:
        assert [text for _, _, text in store.configurations()] == ["{}", '{"a": 1}', "{}"]


def changes_told(folder: Path, caplog: pytest.LogCaptureFixture, old: str, new: str, **more) -> list[str]:
    open_store(folder, config_text=old, digest="old").close()
    caplog.clear()
    with caplog.at_level(logging.INFO):
        open_store(folder, config_text=new, digest="new", **more).close()
    first, *lines = caplog.messages
    assert first.startswith("the configuration has changed since 2")
    return lines


def test_what_changed_in_the_configuration_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    long = [f"value {i}" for i in range(100)]
    old = {"same": 1, "model": {"name": "forest", "options": {"trees": 200}}, "gone": [1, "a"], "knobs": [{"v": 1}]}
    new = {"same": 1, "model": {"name": "forest", "options": {"trees": 300}}, "new": True, "knobs": [{"v": 2}]}
    lines = changes_told(tmp_path, caplog, json.dumps({**old, "long": long}), json.dumps({**new, "long": [*long, "x"]}))
    assert lines[:4] == [
        "changed: model.options.trees: 200 -> 300",
        'changed: gone: [1, "a"] -> not given',
        "changed: knobs[0].v: 1 -> 2",
        'changed: long: ...alue 98", "value 99"] -> ...alue 98", "value 99", "x"]',
    ]
    assert lines[4:] == ["changed: new: not given -> true"]
    many = {str(i): i for i in range(20)}
    lines = changes_told(tmp_path / "many", caplog, json.dumps(many), "{}")
    assert lines == [*(f"changed: {i}: {i} -> not given" for i in range(4)), "changed: and 16 more"]


def test_a_configuration_that_cannot_be_compared_has_just_changed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    commented = '{"a": 1} // a remark'
    for index, old in enumerate((commented, "", "[1]", "[" * 100_000)):
        assert changes_told(tmp_path / str(index), caplog, old, '{"a": 2}') == []
    told = changes_told(tmp_path / "x", caplog, commented, '{"a": 2}', parse=lambda text: json.loads(text[:8]))
    assert told == ["changed: a: 1 -> 2"]


# resuming with another configuration


def constrained(*texts: str) -> DesignSpace:
    space = plain_space()
    return DesignSpace(space.parameters, tuple(Constraint.parse(text, space.names) for text in texts))


@pytest.mark.parametrize(
    ("space", "costs", "said"),
    [
        (space_of(size=(1, 2, 4, 8), ways=(1, 2)), None, "parameter removed: kind"),
        (DesignSpace((*plain_space().parameters, Parameter("new", (1,)))), None, "parameter added: new"),
        (space_of(size=(1, 2, 4), ways=(1, 2), kind=("lru", "fifo", "random")), None, "'size': values removed: 8"),
        (space_of(size=(1, 2, 4, 9), ways=(1, 2), kind=("lru", "fifo", "random")), None, "'size': values added: 9"),
        (constrained("size > ways"), None, "constraint added: size > ways"),
        (plain_space(), ("cycles",), "cost removed: power"),
        (plain_space(), ("cycles", "power", "area"), "cost added: area"),
    ],
)
def test_another_space_or_cost_is_refused_with_the_difference(
    tmp_path: Path, space: DesignSpace, costs: tuple[str, ...] | None, said: str
) -> None:
    with closing(open_store(tmp_path)) as store:
        propose(store, plain_space())
    before = (tmp_path / "deffe.sqlite").read_bytes()
    with pytest.raises(StoreError) as caught:
        open_store(tmp_path, space, costs=costs or ("cycles", "power"))
    assert said in str(caught.value)
    assert (tmp_path / "deffe.sqlite").read_bytes() == before
    open_store(tmp_path).close()


def test_a_condition_that_changes_is_refused(tmp_path: Path) -> None:
    def conditional(text: str) -> DesignSpace:
        return DesignSpace((Parameter("a", (0, 1, 2)), Parameter("b", (3, 4), when=Expression(text, ["a"]))))

    open_store(tmp_path, conditional("a > 0")).close()
    with pytest.raises(StoreError, match="when changed from a > 0 to a > 1"):
        open_store(tmp_path, conditional("a > 1"))


def test_another_set_of_explorations_is_refused(tmp_path: Path) -> None:
    open_store(tmp_path).close()
    with pytest.raises(StoreError, match="exploration added: explore_1"):
        open_store(tmp_path, plain_space(), plain_space())
    with pytest.raises(StoreError, match="exploration removed: explore_0"):
        open_store(tmp_path, names=["else"])


def test_values_may_be_added_anywhere_and_reordered(tmp_path: Path) -> None:
    old = plain_space()
    with closing(open_store(tmp_path)) as store:
        batch = propose(store, old)
        store.record(0, batch, done([3], [[7, 8]]), "evaluated")
    new = space_of(kind=("random", "plru", "lru", "fifo"), ways=(1, 2), size=(0.5, 8, 4, "full", 2, 1))
    with closing(open_store(tmp_path, new)) as store:
        found = store.batch(0, 0)
        assert found.ids.tolist() == batch.ids.tolist() == new.ids(found.levels).tolist()
        assert store.done(0)[1].tolist() == [[7, 8]]
        more = propose(store, new, 1, 30)
    with closing(open_store(tmp_path, new)) as store:
        np.testing.assert_array_equal(store.batch(0, 1).levels, more.levels)
    with pytest.raises(StoreError, match="values removed"):
        open_store(tmp_path)


def test_another_order_of_the_costs_is_refused(tmp_path: Path) -> None:
    """Results are read a line a cost: in another order they would mean something else."""
    open_store(tmp_path).close()
    with pytest.raises(StoreError, match="costs are in another order: cycles, power became power, cycles"):
        open_store(tmp_path, costs=("power", "cycles"))


def test_points_that_were_running_are_waiting_again(tmp_path: Path) -> None:
    with closing(open_store(tmp_path)) as store:
        batch = propose(store, plain_space())
        running = Outcome(np.array([1]), np.array([State.RUNNING], dtype=np.int8), np.full((1, 2), np.nan))
        store.record(0, batch, running, "evaluated")
        assert store.count(0)[State.RUNNING] == 1
    with closing(open_store(tmp_path)) as store:
        assert store.count(0)[State.WAITING] == len(batch)


# one writer, many readers


def test_a_second_writer_is_refused_by_name(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from deffe.store.lock import RunLock; lock = RunLock(Path(sys.argv[1]));"
        "print('held', flush=True); sys.stdin.read()"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    other = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
    )
    try:
        assert other.stdout.readline() == b"held\n"
        for _ in range(2):
            with pytest.raises(StoreError, match=rf"in use by host .*, process {other.pid}\b"):
                open_store(tmp_path)
    finally:
        other.kill()
        other.communicate()
    open_store(tmp_path).close()


def test_a_store_can_be_opened_again_once_closed(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    with pytest.raises(StoreError, match=f"process {os.getpid()}"):
        open_store(tmp_path)
    store.close()
    store.close()
    open_store(tmp_path).close()


def test_an_orderly_end_leaves_the_database_and_the_lock_alone(tmp_path: Path) -> None:
    journal = tmp_path / "deffe.sqlite-journal"
    store = open_store(tmp_path)
    propose(store, plain_space())
    assert journal.exists()
    with closing(Store.read(tmp_path)) as reader:
        store.close()
        assert not journal.exists()
        assert reader.count(0)[State.WAITING] > 0
    store.close()
    assert {path.name for path in tmp_path.iterdir()} <= {"deffe.sqlite", "deffe.lock"}
    journal.touch()  # what a killed run left
    with pytest.raises(StoreError):
        open_store(tmp_path, names=["else"])
    with closing(open_store(tmp_path)) as store:
        propose(store, plain_space(), 1)
    assert not journal.exists()


def test_a_reader_in_the_middle_does_not_hold_up_the_end(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    propose(store, plain_space())
    with closing(sqlite3.connect(tmp_path / "deffe.sqlite")) as reader:
        rows = reader.execute("SELECT number FROM exploration_0")
        rows.fetchone()
        store.close()
        assert len(rows.fetchall()) == 9
    open_store(tmp_path).close()


def test_a_worker_that_outlives_the_writer_does_not_hold_the_lock(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    gate, done_reading = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(done_reading)
        os.read(gate, 1)
        os._exit(0)
    try:
        store.close()
        open_store(tmp_path).close()
    finally:
        os.close(done_reading)
        os.waitpid(child, 0)


def test_readers_see_what_is_recorded_while_it_is_written(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="there is no run"):
        Store.read(tmp_path)
    with closing(open_store(tmp_path)) as store:
        batch = propose(store, plain_space())
        with closing(Store.read(tmp_path)) as reader:
            assert reader.count(0)[State.WAITING] == len(batch)
            store.record(0, batch, done([0], [[1, 2]]), "evaluated")
            assert reader.table(0)["state"].tolist().count("done") == 1
            with pytest.raises(StoreError, match="readonly"):
                reader.set_meta("x", 1)
        uri = (tmp_path / "deffe.sqlite").as_uri() + "?mode=ro"
        with closing(sqlite3.connect(uri, uri=True)) as connection:
            found = pd.read_sql_query("SELECT size, cycles FROM exploration_0 WHERE state = 'done'", connection)
        assert found["cycles"].tolist() == [1]


def test_the_table_can_be_read_from_another_thread(tmp_path: Path) -> None:
    with closing(open_store(tmp_path)) as store:
        propose(store, plain_space())
        found: list[pd.DataFrame] = []
        thread = threading.Thread(target=lambda: found.append(store.table(0)))
        thread.start()
        thread.join()
        pd.testing.assert_frame_equal(found[0], store.table(0))


def test_a_half_read_table_does_not_hold_up_the_writer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "CHUNK", 4)
    with closing(open_store(tmp_path)) as store:
        batch = propose(store, plain_space())
        pieces = store.frames(0)
        next(pieces)
        store.record(0, batch, done([9], [[1, 2]]), "evaluated")
        assert sum(len(piece) for piece in pieces) == len(batch) - 4


# what goes wrong with the file


def test_a_run_directory_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(StoreError, match="cannot be made"):
            open_store(folder)
    assert (tmp_path / "file").read_text() == "mine"


@contextmanager
def somebody_else() -> Iterator[Path]:
    """A folder, and the rights of a user to whom it does not belong."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o777)
    root = os.geteuid() == 0
    try:
        if root:
            os.seteuid(65534)
        yield folder
    finally:
        if root:
            os.seteuid(0)
        folder.chmod(0o700)
        shutil.rmtree(folder)


def test_what_may_not_be_written_is_reported() -> None:
    with somebody_else() as folder:
        open_store(folder / "run").close()
        (folder / "run" / "deffe.sqlite").chmod(0o400)
        with pytest.raises(StoreError, match="readonly") as caught:
            open_store(folder / "run")
        assert "mode of the file" in caught.value.hint
        (folder / "run" / "deffe.sqlite").chmod(0o600)
        for name in ("run", "new"):
            (folder / name).mkdir(exist_ok=True)
            (folder / name).chmod(0o500)
        with pytest.raises(StoreError, match="cannot be written"):
            open_store(folder / "new")
        with pytest.raises(StoreError, match="cannot be made"):
            open_store(folder / "new" / "below")
        with closing(Store.read(folder / "run")) as store:
            assert len(store.table(0)) == 0
        for name in ("run", "new"):
            (folder / name).chmod(0o700)


def test_a_lock_that_cannot_be_opened(tmp_path: Path) -> None:
    (tmp_path / "deffe.lock").mkdir()
    with pytest.raises(StoreError, match="cannot be written"):
        open_store(tmp_path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"not a database at all, but some text\n" * 100, "damaged, or not a database"),
        (b"SQLite format 3\0" + b"\xff" * 5000, "damaged|not a database|malformed"),
        (b"SQLite format 3\0", "damaged|not a database|malformed"),
        (b"x", "damaged, or not a database"),
    ],
)
def test_garbage_is_reported_and_left_alone(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "deffe.sqlite").write_bytes(content)
    for opened in (open_store, Store.read):
        with pytest.raises(StoreError, match=said):
            opened(tmp_path)
        assert (tmp_path / "deffe.sqlite").read_bytes() == content


def test_an_empty_file_is_a_run_that_never_began(tmp_path: Path) -> None:
    (tmp_path / "deffe.sqlite").touch()
    with pytest.raises(StoreError, match="nothing yet"):
        Store.read(tmp_path)
    open_store(tmp_path).close()


def test_a_database_of_another_program_is_left_alone(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "deffe.sqlite")) as connection:
        connection.execute("CREATE TABLE mine (a)")
        connection.commit()
    before = (tmp_path / "deffe.sqlite").read_bytes()
    for opened in (open_store, Store.read):
        with pytest.raises(StoreError, match="another program"):
            opened(tmp_path)
    assert (tmp_path / "deffe.sqlite").read_bytes() == before


def test_a_newer_format_is_refused(tmp_path: Path) -> None:
    open_store(tmp_path).close()
    with closing(sqlite3.connect(tmp_path / "deffe.sqlite")) as connection:
        assert connection.execute("PRAGMA application_id").fetchone()[0] == APPLICATION_ID
        connection.execute(f"PRAGMA user_version = {FORMAT + 1}")
    for opened in (open_store, Store.read):
        with pytest.raises(StoreError, match="newer deffe"):
            opened(tmp_path)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_truncated_database_is_reported_and_left_alone(tmp_path: Path, share: float) -> None:
    space = space_of(a=tuple(range(100)), b=tuple(range(100)))
    with closing(open_store(tmp_path, space)) as store:
        propose(store, space, 0, 2000)
    path = tmp_path / "deffe.sqlite"
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    for opened in (lambda folder: open_store(folder, space), Store.read):
        with pytest.raises(StoreError, match=r"damaged|malformed"):
            opened(tmp_path)
    assert path.read_bytes() == content[: int(len(content) * share)]


@settings(max_examples=40, deadline=None)
@given(place=st.floats(0, 1), noise=st.binary(min_size=1, max_size=300))
def test_a_damaged_database_gives_an_error_or_still_reads(
    tmp_path_factory: pytest.TempPathFactory, place: float, noise: bytes
) -> None:
    folder = tmp_path_factory.mktemp("run")
    with closing(open_store(folder)) as store:
        batch = propose(store, plain_space(), 0, 24)
        store.record(0, batch, done(list(range(24)), [[i, i] for i in range(24)]), "evaluated")
    content = bytearray((folder / "deffe.sqlite").read_bytes())
    start = int(place * (len(content) - len(noise)))
    content[start : start + len(noise)] = noise
    (folder / "deffe.sqlite").write_bytes(content)
    with suppress(StoreError), closing(open_store(folder)) as store:
        store.done(0)
        store.table(0)
        store.steps(0)
        store.set_meta("note", 1)


def test_notes_that_make_no_sense_are_damage(tmp_path: Path) -> None:
    open_store(tmp_path).close()
    for value in ("{", "[]", json.dumps([{"name": "x"}])):
        with closing(sqlite3.connect(tmp_path / "deffe.sqlite")) as connection:
            connection.execute("UPDATE meta SET value = ? WHERE key = 'layouts'", (value,))
            connection.commit()
        with pytest.raises(StoreError):
            open_store(tmp_path)


def test_a_full_disk_stops_the_run_and_loses_nothing(tmp_path: Path) -> None:
    space = space_of(a=tuple(range(100)), b=tuple(range(100)))
    with closing(open_store(tmp_path, space)) as store:
        batch = propose(store, space, 0, 100)
        store.record(0, batch, done([0], [[1, 2]]), "evaluated")
        pages = store._connection.execute("PRAGMA page_count").fetchone()[0]
        store._connection.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(StoreError, match="full") as caught:
            propose(store, space, 1, 5000)
        assert "free space" in caught.value.hint
        assert store.batch(0, 1) is None
        assert len(store.known(0)) == 100
        store.record(0, batch, done([1], [[3, 4]]), "evaluated")
    with closing(open_store(tmp_path, space)) as store:
        assert store.done(0)[1].tolist() == [[1, 2], [3, 4]]
        assert len(propose(store, space, 1, 5000)) > 4000


def test_a_quota_stops_the_run_and_loses_nothing(tmp_path: Path) -> None:
    code = """
import logging, resource, sys
from pathlib import Path
import numpy as np
from deffe.errors import StoreError
from deffe.space import DesignSpace, Parameter
from deffe.store import Store
space = DesignSpace(tuple(Parameter(n, tuple(range(100))) for n in "ab"))
store = Store.create_or_resume(Path(sys.argv[1]), spaces=[space], names=["e"], costs=["c"], config_text="", digest="",
                               log=logging.getLogger())
store.propose(0, space.of_levels(0, space.sample(100, np.random.default_rng(0))))
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    store.propose(0, space.of_levels(1, space.sample(9000, np.random.default_rng(1))))
except StoreError as error:
    print(error)
    sys.exit(0 if len(store.known(0)) == 100 else 3)
sys.exit(4)
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    ended = subprocess.run([sys.executable, "-c", code, str(tmp_path)], env=environment, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "nothing recorded so far is lost" in ended.stdout
    with closing(Store.read(tmp_path)) as store:
        assert len(store.table(0)) == 100


def test_any_failure_in_a_transaction_undoes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(open_store(tmp_path)) as store:
        batch = propose(store, plain_space())

        def interrupted(*args: object) -> None:
            store._connection.execute("UPDATE exploration_0 SET state = 'done'")
            raise KeyboardInterrupt

        with monkeypatch.context() as patched:
            patched.setattr(rows, "outcome_rows", interrupted)
            with pytest.raises(KeyboardInterrupt):
                store.record(0, batch, done([0], [[1, 2]]), "evaluated")
        assert set(store.table(0)["state"]) == {"waiting"}
        store.record(0, batch, done([0], [[1, 2]]), "evaluated")
        assert store.count(0)[State.DONE] == 1
