"""Tables of results are read with every row accounted for, and written whole, by name, and over nobody's file."""

from __future__ import annotations

import csv
import gzip
import json
import logging
import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deffe.errors import StoreError, TableError
from deffe.expressions import Expression
from deffe.records import Outcome, Prediction, State
from deffe.space import Constraint, DesignSpace, Parameter
from deffe.store import Store, rows
from deffe.tables.csv_out import _numbers
from deffe.tables.results import (
    PredictionWriter,
    Results,
    TablePaths,
    read_results,
    table_paths,
    write_min_max,
    write_tables,
)

DATA = Path(__file__).parents[2] / ".." / "shared" / "data" / "riscv_gem5"
ODD_TEXT = [
    "plain",
    " spaces ",
    "spaces",
    "com,ma",
    "semi;colon",
    'quo"te',
    "'",
    "new\nline",
    "cr\r\nlf",
    "tab\t",
    "ärger",
    "-",
    "1e5x",
]


def space_of(**values: tuple) -> DesignSpace:
    return DesignSpace(tuple(Parameter(name, found) for name, found in values.items()))


SPACE = space_of(size=(1, 2, 4, 8), kind=("lru", "fifo"), fixed=(16,))


def csv_file(folder: Path, *lines: str, name: str = "t.csv") -> Path:
    path = folder / name
    path.write_bytes("\n".join([*lines, ""]).encode())
    return path


def read(
    folder: Path, *lines: str, space: DesignSpace = SPACE, costs: tuple[str, ...] = ("cycles",), **more
) -> Results:
    return read_results(csv_file(folder, *lines), space, costs, **more)


def points(results: Results, space: DesignSpace = SPACE) -> list[tuple]:
    return [tuple(space.trial_values(level).values()) for level in results.levels]


# reading: forms of one and the same table


FORMS = {
    "plain": "size,kind,fixed,cycles\n1,lru,16,10\n8,fifo,16,20.5\n",
    "spaces": "size, kind, fixed, cycles\n1, lru, 16, 10\n8, fifo, 16, 20.5\n",
    "semicolons": "size;kind;fixed;cycles\n1;lru;16;10\n8;fifo;16;20.5\n",
    "tabs": "size\tkind\tfixed\tcycles\n1\tlru\t16\t10\n8\tfifo\t16\t20.5\n",
    "mark": "\ufeffsize,kind,fixed,cycles\n1,lru,16,10\n8,fifo,16,20.5\n",
    "quoted": '"size","kind","fixed","cycles"\n"1","lru","16","10"\n"8","fifo","16","20.5"\n',
    "windows": "size,kind,fixed,cycles\r\n1,lru,16,10\r\n8,fifo,16,20.5\r\n",
    "other order": "cycles,note,kind,size\n10,a,lru,1\n20.5,b,fifo,8\n",
    "other case": "SIZE,Kind,CYCLES\n1,lru,10\n8,fifo,20.5\n",
    "floats": "size,kind,cycles\n1.0,lru,1e1\n8.000,fifo,2.05e+1\n",
    "empty lines": "\nsize,kind,cycles\n\n1,lru,10\n\n\n8,fifo,20.5\n\n",
    "no last newline": "size,kind,cycles\n1,lru,10\n8,fifo,20.5",
    "text with delimiters": 'size,kind,"a,b;c",cycles\n1,lru,"x;y;z",10\n8,fifo,"1,2",20.5\n',
}


@pytest.mark.parametrize("form", FORMS)
def test_a_table_reads_the_same_in_any_form(tmp_path: Path, form: str) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(FORMS[form].encode())
    results = read_results(path, SPACE, ["cycles"])
    assert points(results) == [(16, "lru", 1), (16, "fifo", 8)]
    assert results.costs.tolist() == [[10], [20.5]]
    assert results.states.tolist() == [State.DONE] * 2
    assert results.reasons == ()
    np.testing.assert_array_equal(results.ids, SPACE.ids(results.levels))


def test_a_compressed_table_is_read(tmp_path: Path) -> None:
    path = tmp_path / "t.csv.gz"
    path.write_bytes(gzip.compress(FORMS["plain"].encode()))
    assert len(read_results(path, SPACE, ["cycles"])) == 2


def test_map_names_name_columns(tmp_path: Path) -> None:
    space = DesignSpace((Parameter("l1d_size", (1, 2), map="--l1d"), Parameter("ways", (1, 2))))
    results = read(tmp_path, "--l1d,ways,cycles", "2,1,5", space=space)
    assert points(results, space) == [(2, 1)]


def test_real_results_are_read_as_they_are() -> None:
    path = DATA / "kmeans.csv"
    if not path.is_file():
        pytest.skip(f"{path} is not here")
    frame = pd.read_csv(path)
    knobs = list(frame.columns[:8])
    space = DesignSpace(tuple(Parameter(name, tuple(int(v) for v in sorted(frame[name].unique()))) for name in knobs))
    costs = ["cpu_cycles", "dram_energy_pj", "sim_seconds"]
    results = read_results(path, space, costs)
    np.testing.assert_array_equal(space.frame(results.levels)[knobs], frame[knobs])
    np.testing.assert_array_equal(results.costs, frame[costs])


# reading: rows that are left out, and rows that failed


def test_the_first_of_several_rows_for_a_point_counts(tmp_path: Path) -> None:
    results = read(tmp_path, "size,kind,cycles", "1,lru,10", "2,lru,20", "1.0,lru,30", "1,fifo,40", "2,lru,50")
    assert results.costs[:, 0].tolist() == [10, 20, 40]
    assert results.notes == (
        "3 points with results in 5 rows",
        "2 rows repeat the point of an earlier row, which counts; 2 with other costs, "
        "the first in lines 2 and 4: cycles 10 and 30",
    )


def test_of_rows_that_repeat_a_point_those_with_other_costs_are_told(tmp_path: Path) -> None:
    equal = read(tmp_path, "size,kind,cycles", "1,lru,10", "1,lru,10.0", "2,lru,", "2,lru,")
    assert equal.notes[1] == "2 rows repeat the point of an earlier row, which counts"
    rows = ["", "1,lru,9,1.5", "1,lru,9,1.5", "1,lru,5,2", "2,fifo,,1", "2,fifo,3,1"]
    notes = read(tmp_path, "size,kind,cycles,power", *rows, costs=("power", "cycles")).notes
    assert notes == (
        "2 points with results in 5 rows",
        "3 rows repeat the point of an earlier row, which counts; 2 with other costs, "
        "the first in lines 3 and 5: power 1.5 and 2, cycles 9 and 5",
        "1 point failed, the first: row 4 of t.csv: cost 'cycles' is empty",
    )
    failed = read(tmp_path, "size,kind,cycles", "2,fifo,", "2,fifo,3")
    assert failed.notes[1].endswith("; 1 with other costs, the first in lines 2 and 3: cycles none and 3")


def test_lines_of_conflicts_count_rows_that_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deffe.tables.csv_in.BLOCK", 2)
    space = DesignSpace(SPACE.parameters, (Constraint.parse("size > 1", SPACE.names),))
    rows = ["1,lru,a,1", '2,lru,"two\nlines",1', "1,lru,a,1", "1,lru,a,1", "2,lru,a,2"]
    notes = read(tmp_path, "size,kind,note,cycles", *rows, space=space).notes
    assert notes[-1].endswith("in lines 4 and 7: cycles 1 and 2")


def test_a_table_of_points_to_predict_is_not_said_to_hold_results(tmp_path: Path) -> None:
    assert read(tmp_path, "size,kind", "1,lru", "2,lru", costs_optional=True).notes == ("2 points in 2 rows",)
    assert read(tmp_path, "size,kind,cycles", "1,lru,5").notes == ("1 point with results in 1 row",)


# reading: what the evaluation of a point took, and where


@pytest.mark.parametrize("delimiter", [",", ", ", ";"])
def test_times_and_folders_are_read_where_they_are_known(tmp_path: Path, delimiter: str) -> None:
    lines = ["size,kind,cycles,EvaluateTime,extracttime,RunDir"]
    lines += [
        "4,lru,7,,,",
        "1,lru,10,0.25,1e-3,/far/e_1",
        "1,lru,10,9,9,/no",
        "2,lru,20,-1,inf,runs/e 2",
        "8,lru,,3,x,",
    ]
    results = read(tmp_path, *(line.replace(",", delimiter) for line in lines))
    rows, found = results.find(SPACE.ids(np.array([[0, 0, 3], [0, 0, 0], [0, 0, 1], [0, 0, 2]], dtype=np.int32)))
    assert found.all()
    outcome = results.outcome(np.arange(4), rows)
    np.testing.assert_array_equal(outcome.seconds, [3, 0.25, np.nan, np.nan])
    np.testing.assert_array_equal(outcome.extract_seconds, [np.nan, 0.001, np.nan, np.nan])
    assert outcome.folders == ("", "/far/e_1", str(tmp_path / "runs/e 2"), "")


def test_a_table_without_times_and_folders_tells_none(tmp_path: Path) -> None:
    for more, cells in (("", ""), (",EvaluateTime,ExtractTime,RunDir", ",,,")):
        results = read(tmp_path, f"size,kind,cycles{more}", f"1,lru,10{cells}")
        assert np.isnan([*results.seconds, *results.extract_seconds]).tolist() == [True, True]
        assert results.folders == ()


def test_a_knob_that_is_called_like_a_time_is_no_time(tmp_path: Path) -> None:
    space = space_of(EvaluateTime=(1, 2), RunDir=("a", "b"))
    results = read(tmp_path, "EvaluateTime,RunDir,cycles,EvaluateTime_2,RunDir_2", "2,b,10,7,/x", space=space)
    assert results.seconds.tolist() == [7]
    assert results.folders == ("/x",)
    results = read(tmp_path, "EvaluateTime,RunDir,cycles", "2,b,10", space=space)
    assert np.isnan(results.seconds).all()
    assert results.folders == ()


def test_times_and_folders_of_a_looked_up_point_reach_the_next_table(tmp_path: Path) -> None:
    known = read(
        tmp_path, "size,kind,cycles,EvaluateTime,ExtractTime,RunDir", "1,lru,10,0.1033349999,2,/far/e_1", "2,lru,20,,,"
    )
    with closing(
        Store.create_or_resume(
            tmp_path / "run",
            spaces=[SPACE],
            names=["e"],
            costs=["cycles"],
            config_text="",
            digest="",
            log=logging.getLogger(),
        )
    ) as store:
        batch = store.propose(0, SPACE.of_levels(0, known.levels))
        store.record(0, batch, known.outcome(np.arange(2), np.arange(2)), "pre_evaluated")
        paths = paths_in(tmp_path)
        write_tables(store, 0, SPACE, ("cycles",), paths)
        assert store.table(0)["folder"].tolist() == ["/far/e_1", ""]
    with paths.all.open() as file:
        told = [[row[name] for name in ("EvaluateTime", "ExtractTime", "RunDir")] for row in csv.DictReader(file)]
    assert told == [["0.103335", "2", "/far/e_1"], ["", "", ""]]


def test_rows_of_other_explorations_are_left_out_and_counted(tmp_path: Path) -> None:
    declared = space_of(size=(1, 2, 4, 8, 16), kind=("lru", "fifo", "plru"), fixed=(8, 16))
    rows = ("size,kind,fixed,cycles", "1,lru,16,10", "16,lru,16,20", "2,plru,16,30", "2,lru,8,40", "2,lru,16,50")
    results = read(tmp_path, *rows, declared=declared)
    assert results.costs[:, 0].tolist() == [10, 50]
    assert results.notes[1] == "3 rows have values that are not of this exploration"


def test_rows_that_break_a_constraint_are_left_out_and_counted(tmp_path: Path) -> None:
    space = DesignSpace(SPACE.parameters, (Constraint.parse("size > 1", SPACE.names),))
    results = read(tmp_path, "size,kind,cycles", "1,lru,10", "2,lru,20", space=space)
    assert results.costs.tolist() == [[20]]
    assert results.notes[1] == "1 row breaks the constraints"


@pytest.mark.parametrize("cell", ["", "nan", "NULL", "n/a", "inf", "-inf", "1,5", "0x10", "  "])
def test_a_cost_that_is_no_number_fails_its_point(tmp_path: Path, cell: str) -> None:
    results = read(tmp_path, "size,kind,cycles,power", "1,lru,10,1", f'2,lru,"{cell}",2', costs=("power", "cycles"))
    assert results.states.tolist() == [State.DONE, State.FAILED]
    assert np.isnan(results.costs[1]).all()
    assert "row 2 of t.csv" in results.reasons[1]
    assert "'cycles'" in results.reasons[1]
    assert results.reasons[0] == ""
    assert any("1 point failed" in note for note in results.notes)


def test_zero_is_a_cost(tmp_path: Path) -> None:
    results = read(tmp_path, "size,kind,cycles", "1,lru,0", "2,lru,-3.5")
    assert results.costs[:, 0].tolist() == [0, -3.5]
    assert results.states.tolist() == [State.DONE] * 2


def test_our_own_states_are_kept(tmp_path: Path) -> None:
    lines = ["size,kind,cycles,State,Reason"]
    lines += [
        "1,lru,10,done,",
        "2,lru,,failed,no luck",
        "4,lru,99,timed_out,",
        "8,lru,,waiting,",
        "1,fifo,5,predicted,",
    ]
    results = read(tmp_path, *lines)
    assert results.states.tolist() == [State.DONE, State.FAILED, State.TIMED_OUT]
    assert results.reasons == ("", "no luck", "")
    assert np.isnan(results.costs[1:]).all()
    assert results.notes[1] == "2 rows hold no result"
    with pytest.raises(TableError, match=r"line 2: the state 'fine'"):
        read(tmp_path, "size,kind,cycles,state,reason", "1,lru,10,fine,")


def test_a_state_column_of_another_meaning_is_left_alone(tmp_path: Path) -> None:
    assert len(read(tmp_path, "size,kind,cycles,state", "1,lru,10,fine")) == 1
    space = space_of(state=("on", "off"), reason=(1, 2))
    assert points(read(tmp_path, "state,reason,cycles", "on,2,10", space=space), space) == [(2, "on")]


def test_points_of_which_no_cost_is_known(tmp_path: Path) -> None:
    lines = (
        "size,kind,power,State,Reason",
        "1,lru,10,done,",
        "2,lru,,done,",
        "4,lru,7,predicted,",
        "8,lru,1,failed,no luck",
    )
    results = read(tmp_path, *lines, costs=("cycles", "power"), costs_optional=True)
    assert results.states.tolist() == [State.WAITING, State.WAITING, State.WAITING, State.FAILED]
    np.testing.assert_array_equal(results.costs, [[np.nan, 10], [np.nan, np.nan], [np.nan, np.nan], [np.nan, np.nan]])


def test_inactive_parameters_may_hold_anything(tmp_path: Path) -> None:
    when = Expression("cache > 0", ["cache"])
    space = DesignSpace((Parameter("cache", (0, 1)), Parameter("ways", (2, 4), when=when)))
    results = read(tmp_path, "cache,ways,cycles", "0,,10", "1,4,20", "0,77,30", space=space)
    assert results.levels.tolist() == [[0, 0], [1, 1]]
    with pytest.raises(TableError, match=r"line 2, column 'ways': no value; allowed: 2, 4"):
        read(tmp_path, "cache,ways,cycles", "1,,10", space=space)


def test_points_are_found_by_identity(tmp_path: Path) -> None:
    results = read(tmp_path, "size,kind,cycles", "8,lru,10", "2,lru,", "1,fifo,30")
    wanted = SPACE.ids(np.array([[0, 1, 0], [0, 0, 2], [0, 0, 1]], dtype=np.int32))
    found_rows, found = results.find(wanted)
    assert found.tolist() == [True, False, True]
    assert found_rows.tolist() == [2, 1]
    assert results.reasons_at(found_rows)[0] == ""
    assert "is empty" in results.reasons_at(found_rows)[1]


@settings(max_examples=30, deadline=None)
@given(
    table=st.lists(
        st.tuples(st.sampled_from([1, 2, 4, 8]), st.sampled_from(["lru", "fifo"]), st.floats(allow_nan=False))
    ),
    block=st.integers(1, 5),
)
def test_blocks_make_no_difference(tmp_path_factory: pytest.TempPathFactory, table: list, block: int) -> None:
    if not table:
        return
    path = csv_file(tmp_path_factory.mktemp("t"), "size,kind,cycles", *(f"{s},{k},{c!r}" for s, k, c in table))
    with pytest.MonkeyPatch.context() as patch:
        whole = read_results(path, SPACE, ["cycles"])
        patch.setattr("deffe.tables.csv_in.BLOCK", block)
        pieces = read_results(path, SPACE, ["cycles"])
    np.testing.assert_array_equal(whole.levels, pieces.levels)
    np.testing.assert_array_equal(whole.costs, pieces.costs)
    assert whole.reasons == pieces.reasons
    assert whole.notes == pieces.notes
    expected = {(s, k): c for s, k, c in reversed(table)}
    found = {(s, k): c for (_, k, s), c in zip(points(pieces), pieces.costs[:, 0], strict=True)}
    assert {p: c for p, c in found.items() if np.isfinite(c)} == {p: c for p, c in expected.items() if np.isfinite(c)}


# reading: faults


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (("size,kind,cycle", "1,lru,10"), "no column for the cost 'cycles'\n  did you mean 'cycle'"),
        (("size,cycles", "1,10"), "no column for 'kind'"),
        (("size,kind,cycles,CYCLES", "1,lru,10,10"), "several columns for the cost 'cycles'"),
        (("size,kind,cycles", "1,lru,10", "3,lru,20"), "line 3, column 'size': '3'; allowed: 1, 2, 4, 8"),
        (("size,kind,cycles", "1,lru,10", "", "1,plru,20"), "line 4, column 'kind': 'plru'; allowed: lru, fifo"),
        (("size,kind,cycles", ",lru,10"), "line 2, column 'size': no value"),
        (("size,kind,fixed,cycles", "1,lru,8,10"), "line 2, column 'fixed': '8'; allowed: 16"),
        (("size,kind,cycles", "1,lru,10", "1,lru"), "line 3: 2 fields where the header has 3"),
        (("size,kind,cycles", "1,lru,10,11"), "line 2: 4 fields where the header has 3"),
        (("size,kind,cycles", '1,"lru,10'), "line 2"),
        (("size,kind,cycles",), "has no rows"),
        ((), "is empty"),
        (("", "  "), "no column|is empty"),
    ],
)
def test_faults_name_file_place_and_what_is_allowed(tmp_path: Path, lines: tuple[str, ...], said: str) -> None:
    with pytest.raises(TableError) as caught:
        read(tmp_path, *lines)
    assert str(tmp_path / "t.csv") in str(caught.value)
    assert any(part in str(caught.value) for part in said.split("|"))


def test_the_line_of_a_fault_is_right_in_later_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deffe.tables.csv_in.BLOCK", 3)
    good = ["size,kind,note,cycles", *['1,lru,"two\nlines",1'] * 10]
    with pytest.raises(TableError, match="line 22, column 'size': '9'"):
        read(tmp_path, *good, "9,lru,x,1")
    with pytest.raises(TableError, match="line 22: 5 fields"):
        read(tmp_path, *good, "1,lru,x,1,1")


def test_files_that_are_no_tables(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="does not exist"):
        read_results(tmp_path / "none.csv", SPACE, ["cycles"])
    with pytest.raises(TableError, match="is a folder"):
        read_results(tmp_path, SPACE, ["cycles"])
    for content in (
        b"size,kind,cycles\n1,lru,\xff\xfe\n",
        "size,kind,cycles\n".encode("utf-16"),
        b"PK\x03\x04" + bytes(range(256)),
    ):
        (tmp_path / "t.csv").write_bytes(content)
        with pytest.raises(TableError, match=r"t\.csv"):
            read_results(tmp_path / "t.csv", SPACE, ["cycles"])
    (tmp_path / "t.csv.gz").write_bytes(b"size,kind,cycles\n")
    with pytest.raises(TableError, match=r"t\.csv\.gz"):
        read_results(tmp_path / "t.csv.gz", SPACE, ["cycles"])


@settings(max_examples=150, deadline=None)
@given(
    content=st.one_of(
        st.binary(max_size=200), st.text('size,kindcycles;\t"\n\r 12lrufo.-', max_size=200).map(str.encode)
    )
)
def test_any_bytes_give_results_or_a_table_error(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.csv"
    for head in (b"", b"size,kind,cycles\n", b"size,kind,cycles\n1,lru,5\n"):
        path.write_bytes(head + content)
        try:
            results = read_results(path, SPACE, ["cycles"])
        except TableError:
            continue
        assert SPACE.valid(results.levels).all()


# writing


def make_store(folder: Path, space: DesignSpace, costs: tuple[str, ...], count: int = 12) -> Store:
    """Every third point has failed, the last waits; the even ones were evaluated, the others looked up."""
    store = Store.create_or_resume(
        folder / "run", spaces=[space], names=["e"], costs=costs, config_text="", digest="", log=logging.getLogger()
    )
    rng = np.random.default_rng(0)
    batch = store.propose(0, space.of_levels(0, space.sample(count, rng)))
    for row in range(len(batch) - 1):
        state = State.FAILED if row % 3 == 2 else State.DONE
        outcome = Outcome(
            np.array([row]), np.array([state], dtype=np.int8), rng.random((1, len(costs))) * 1e6,
            ("no, \"luck\"\nat all" if state == State.FAILED else "",), np.array([0.25]),
        )  # fmt: skip
        store.record(0, batch, outcome, "pre_evaluated" if row % 2 else "evaluated")
    return store


def paths_in(folder: Path) -> TablePaths:
    return table_paths(folder, [("e", ["all.csv", "evaluation.csv", "predicted.csv", "both.csv"])])[0]


def predict(levels: np.ndarray, costs: int) -> Prediction:
    mean = levels.sum(axis=1, keepdims=True) + np.arange(costs) + 0.5
    return Prediction(mean, mean / 10)


def as_original(path: Path) -> pd.DataFrame:
    """As the scripts of users read it."""
    return pd.read_csv(path, skipinitialspace=True)


def test_tables_hold_the_rows_that_their_names_say(tmp_path: Path) -> None:
    space = space_of(size=(1, 2, 4, 8), kind=("lru", "fifo"), ways=(1, 2))
    with closing(make_store(tmp_path, space, ("cycles", "power"))) as store:
        unknown = space.points(range(3))
        written = write_tables(store, 0, space, ("cycles", "power"), paths_in(tmp_path),
                               predicted=("power",), predictions=[(unknown, predict(unknown, 1))])  # fmt: skip
        table = store.table(0)
    tables = {path.stem: as_original(path) for path in written}
    plain = [
        *space.names,
        "cycles",
        "power",
        "EvaluateTime",
        "ExtractTime",
        "RunDir",
        "Id",
        "Step",
        "State",
        "Reason",
        "Source",
    ]
    assert list(tables["evaluation"].columns) == plain
    spread = [*plain, "power_std", "power_lower", "power_upper"]
    assert all(list(tables[name].columns) == spread for name in ("all", "predicted", "both"))
    known = table[table["state"] != "waiting"]
    evaluated = known[known["source"] == "evaluated"]
    expected = {"all": len(known) + 3, "evaluation": len(evaluated), "predicted": 3, "both": len(evaluated) + 3}
    assert {name: len(found) for name, found in tables.items()} == expected
    assert tables["all"]["Id"].tolist()[: len(known)] == known["id"].tolist()
    failed = tables["all"]["State"] == "failed"
    assert tables["all"][failed][["cycles", "power"]].isna().all(axis=None)
    assert set(tables["all"][failed]["Reason"]) == {'no, "luck"\nat all'}
    np.testing.assert_array_equal(space.encode(tables["predicted"]), unknown)
    np.testing.assert_array_equal(tables["predicted"]["power"], predict(unknown, 1).mean[:, 0])
    np.testing.assert_array_equal(tables["predicted"]["power_std"], predict(unknown, 1).std[:, 0])
    assert tables["predicted"]["cycles"].isna().all()
    assert set(tables["predicted"]["Source"]) == {"predicted"}


def test_without_predictions_their_tables_are_not_written(tmp_path: Path) -> None:
    with closing(make_store(tmp_path, SPACE, ("cycles",))) as store:
        written = write_tables(store, 0, SPACE, ("cycles",), paths_in(tmp_path))
    assert sorted(path.name for path in written) == ["all.csv", "evaluation.csv"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["all.csv", "evaluation.csv", "run"]


def test_what_is_written_is_read_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "CHUNK", 5)
    names = ["a b", "com,ma", 'quo"te', "new\nline", " edge ", "ärger", "Step", "state", "Reason"]
    values = (*ODD_TEXT, 1, 2.5, -3, True, "007")
    when = Expression("x > 0", ["x"])
    space = DesignSpace(
        (
            *(Parameter(name, values) for name in names),
            Parameter("x", (0, 0.5, 2)),
            Parameter("y", (1, 2, 3), when=when),
        )
    )
    costs = ("co,st", "id", "two\nlines")
    with closing(make_store(tmp_path, space, costs, 60)) as store:
        paths = paths_in(tmp_path)
        some = space.sample(20, np.random.default_rng(9))
        write_tables(store, 0, space, costs, paths, predicted=costs, predictions=[(some, predict(some, 3))])
        levels, values_known, ids = store.done(0)
        everything = store.batch(0, 0)
        results = read_results(paths.all, space, costs)
    done = results.states == State.DONE
    np.testing.assert_array_equal(results.levels, everything.levels[:-1])
    np.testing.assert_array_equal(results.levels[done], levels)
    np.testing.assert_array_equal(results.costs[done], values_known)
    np.testing.assert_array_equal(results.ids[done], ids)
    assert {r for r, d in zip(results.reasons, done, strict=True) if not d} == {'no, "luck"\nat all'}
    assert results.notes[1] == "20 rows hold no result"
    with paths.all.open(newline="", encoding="utf-8") as file:
        lines = list(csv.reader(file))
    assert len(set(map(str.lower, lines[0]))) == len(lines[0])
    assert {len(line) for line in lines} == {len(lines[0])}


@given(st.lists(st.floats(allow_nan=False), min_size=1, max_size=5))
def test_numbers_are_written_exactly(numbers: list[float]) -> None:
    written = _numbers(np.array(numbers))
    assert [float(text) for text in written] == numbers
    assert _numbers(np.array([np.nan, 3.0, 1e300])) == ["", "3", "1e+300"]


def test_a_foreign_or_edited_table_is_kept(tmp_path: Path) -> None:
    paths = paths_in(tmp_path)
    paths.all.write_text("mine\n")
    with closing(make_store(tmp_path, SPACE, ("cycles",))) as store:

        def write() -> None:
            write_tables(store, 0, SPACE, ("cycles",), paths)

        write()
        write()
        assert (tmp_path / "all.1.csv").read_text() == "mine\n"
        ours = paths.all.read_text()
        paths.all.write_text(ours + "a line of mine\n")
        write()
        write()
    assert (tmp_path / "all.2.csv").read_text() == ours + "a line of mine\n"
    assert paths.all.read_text() == ours
    assert sorted(p.name for p in tmp_path.glob("*.csv")) == ["all.1.csv", "all.2.csv", "all.csv", "evaluation.csv"]


def test_a_run_knows_its_tables_after_a_restart(tmp_path: Path) -> None:
    for _ in range(3):
        with closing(make_store(tmp_path, SPACE, ("cycles",))) as store:
            write_tables(store, 0, SPACE, ("cycles",), paths_in(tmp_path))
    assert len(list(tmp_path.glob("*.csv"))) == 2


def test_an_error_while_writing_changes_nothing(tmp_path: Path) -> None:
    with closing(make_store(tmp_path, SPACE, ("cycles",))) as store:
        paths = paths_in(tmp_path)
        write_tables(store, 0, SPACE, ("cycles",), paths)
        before = {path: path.read_bytes() for path in tmp_path.glob("*.csv")}

        def interrupted() -> Iterator[tuple[np.ndarray, Prediction]]:
            yield SPACE.points([0]), predict(SPACE.points([0]), 1)
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            write_tables(store, 0, SPACE, ("cycles",), paths, predicted=("cycles",), predictions=interrupted())
    assert {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == before


def test_a_table_that_cannot_be_written_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    paths = paths_in(tmp_path / "file")
    with (
        closing(make_store(tmp_path, SPACE, ("cycles",))) as store,
        pytest.raises(StoreError, match="cannot be written"),
    ):
        write_tables(store, 0, SPACE, ("cycles",), paths)
    with pytest.raises(StoreError, match="cannot be written"):
        write_min_max(tmp_path / "file" / "m.json", SPACE)
    assert not [path for path in tmp_path.iterdir() if path.suffix == ".tmp"]


def test_explorations_never_share_a_table(tmp_path: Path) -> None:
    names = ["a.csv", "b.csv", "sub/c.csv", "/abs/d.csv"]
    found = table_paths(tmp_path, [("one", names), ("two", names), ("three", ["A.csv", "x.csv", "x.csv", "a_two.csv"])])
    flat = [
        str(path)
        for paths in found
        for path in (paths.all, paths.evaluation, paths.ml_predict, paths.evaluation_predict)
    ]
    assert len({path.lower() for path in flat}) == 12
    assert [Path(path).name for path in flat[:4]] == ["a.csv", "b.csv", "c.csv", "d.csv"]
    assert flat[4:8] == [
        str(tmp_path / "a_two.csv"),
        str(tmp_path / "b_two.csv"),
        str(tmp_path / "sub/c_two.csv"),
        "/abs/d_two.csv",
    ]


def test_predictions_stand_beside_known_costs(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    path.write_text("old")
    levels = SPACE.points(range(4))
    prediction = predict(levels, 1)
    known = np.array([[1.0], [np.nan], [0.0], [prediction.mean[3, 0]]])
    texts = [["" if value is None else str(value) for value in column] for _, column in SPACE.frame(levels).items()]
    with PredictionWriter(path, SPACE.names, ["cycles"]) as file:
        assert path.read_text() == "old"
        for rows in (slice(0, 2), slice(2, 4)):
            part = Prediction(prediction.mean[rows], prediction.std[rows])
            file.write([column[rows] for column in texts], part, known[rows])
    table = as_original(path)
    np.testing.assert_array_equal(SPACE.encode(table), levels)
    np.testing.assert_array_equal(table["cycles"], known[:, 0])
    np.testing.assert_array_equal(table["predicted-cycles"], prediction.mean[:, 0])
    np.testing.assert_allclose(table["error-cycles"], prediction.mean[:, 0] - known[:, 0])
    assert table["error-percent-cycles"][3] == 0
    assert np.isnan(table["error-percent-cycles"][1])
    assert os.listdir(tmp_path) == ["out.csv"]


def test_the_ranges_are_written_as_json(tmp_path: Path) -> None:
    path = write_min_max(tmp_path / "sub" / "e-minmax.json", SPACE)
    assert json.loads(path.read_text()) == SPACE.min_max()
    assert json.loads(path.read_text())["size"] == {"count": 4, "min": 1, "max": 8}


def test_the_tally_counts_texts(tmp_path: Path) -> None:
    with closing(make_store(tmp_path, SPACE, ("cycles",), 8)) as store:
        assert store.tally(0, "source") == {"evaluated": 4, "pre_evaluated": 3}
        assert store.tally(0, "reason") == {'no, "luck"\nat all': 2}


def test_min_max_of_another_space_is_kept_aside(tmp_path: Path) -> None:
    path = tmp_path / "e-minmax.json"
    path.write_text("{}")
    write_min_max(path, SPACE)
    write_min_max(path, SPACE)
    assert (tmp_path / "e-minmax.1.json").read_text() == "{}"
    assert len(list(tmp_path.iterdir())) == 2
