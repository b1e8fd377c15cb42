"""Extractors give every cost as it stands in the file, or fail the point with the reason; nothing becomes 0."""

from __future__ import annotations

import gzip
import json
import logging
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deffe.api import Framework, Trial
from deffe.config import load
from deffe.errors import ConfigError, DeffeError, EvaluationError
from deffe.executors.local import LocalExecutor
from deffe.extractors import results
from deffe.extractors._reading import number
from deffe.plugins import load as load_plugin

RECORDS = Path(__file__).parents[2] / ".." / "shared" / "data" / "gem5_runs"
COSTS = ("cycles", "power_w")
PATTERNS = {"cycles": r"^cycles: (\S+)$", "Power_W": r"(total|mean) power (?P<value>\S+) W"}
FINITE = st.floats(allow_nan=False, allow_infinity=False)
STATS = """
---------- Begin Simulation Statistics ----------
simTicks                                    {ticks}                       # Number of ticks simulated (Tick)
system.l2.overallMisses::cpu.data             112     93.33%     93.33% # number of overall misses (Count)
system.l2.overallMisses::total                120                       # number of overall misses (Count)
system.l2.avgBlocked::no_mshrs                nan                       # average cycles (Count)
system.mem.bytesPerActivate::0-127             |           3     37.50%     37.50% # Bytes (Count)

---------- End Simulation Statistics   ----------
"""


def make(
    folder: Path, kind: str, costs: tuple[str, ...] = COSTS, evaluate: dict[str, Any] | None = None, **extract: Any
) -> Any:
    """A loaded and initialized extractor, as a configuration with this section would have it."""
    data = {
        "knobs": [{"name": "size", "values": [1, 2, 3]}, {"name": "text", "values": ["a b", "$(touch hit)"]}],
        "costs": list(costs),
        "evaluate": evaluate or {},
        "extract": {"pyscript": kind, **extract},
    }
    (folder / "config.json").write_text(json.dumps(data))
    config = load(folder / "config.json")
    framework = Framework(
        space=config.explorations[0].space,
        costs=config.costs,
        folder=folder,
        log=logging.getLogger("test"),
        config=config,
        exploration=config.explorations[0],
        section=config.GetExtract(),
        place="extract",
        name="extract",
        arguments=config.GetExtract().arguments,
    )
    return load_plugin("extractor", kind, framework)


def trial(folder: Path, number: int = 0, **values: Any) -> Trial:
    """A trial with a fresh run directory."""
    run = folder / f"run_{number}"
    run.mkdir()
    return Trial(number, {"size": 2, "text": "a b", **values}, run)


def extracted(folder: Path, text: str, file: str = "results.out", kind: str = "results", **extract: Any) -> Any:
    """What an extractor makes of one file."""
    extractor, here = make(folder, kind, **extract), trial(folder)
    (here.folder / file).write_text(text)
    return extractor.call("Run", trial=here)


class TestNumbers:
    @given(FINITE)
    def test_every_finite_number_survives_its_text(self, value: float) -> None:
        assert number(repr(value), "c", "f") == value

    @pytest.mark.parametrize(
        "text", ["", "nan", "inf", "-Infinity", "1_000", "1,000", "0x10", "12 cycles", "NULL", "1e999", "-", "1.2.3"]
    )
    def test_anything_else_is_refused_by_name(self, text: str) -> None:
        with pytest.raises(EvaluationError, match="cycles"):
            number(text, "cycles", "results.out")

    @pytest.mark.parametrize("found", [True, None, [1], {"a": 1}, 10**400])
    def test_json_values_that_are_no_numbers_are_refused(self, found: object) -> None:
        with pytest.raises(EvaluationError, match="cycles"):
            number(found, "cycles", "results.json")


class TestLines:
    @given(FINITE, FINITE)
    def test_costs_are_read_in_their_order(self, one: float, two: float) -> None:
        found = results.from_lines(f"# made by hand\n{one!r}\n {two!r} \n\n", COSTS, "f")
        assert found == {"cycles": one, "power_w": two}

    @pytest.mark.parametrize("text", ["1\n", "1\n2\n3\n", "\n1\n2\n", "1\n\n2\n"])
    def test_another_number_of_lines_fails_and_says_both(self, text: str) -> None:
        with pytest.raises(EvaluationError, match=r"(1 line|3 lines), expected 2: cycles, power_w"):
            results.from_lines(text, COSTS, "results.out")

    def test_a_blank_line_is_no_zero(self) -> None:
        with pytest.raises(EvaluationError, match="'cycles' is ''"):
            results.from_lines("\n2\n", COSTS, "results.out")


class TestNamed:
    @pytest.mark.parametrize(
        ("read", "text"),
        [
            (results.from_json, '{"Cycles": 12, "other": "x", "POWER_W": "0.5"}'),
            (results.from_csv, "name, Cycles, power_W\na, 1, 2\nb, 12, 0.5\n\n"),
            (results.from_key_value, "start of run\nCycles: 12\npower_w = 0.5  # W\n"),
            (results.from_key_value, "cycles\t12\nPOWER_W:0.5\ncycles 12\n"),
        ],
    )
    def test_names_match_whatever_their_case(self, read: Any, text: str) -> None:
        assert read(text, COSTS, "f") == {"cycles": 12.0, "power_w": 0.5}

    @pytest.mark.parametrize(
        ("read", "text", "reason"),
        [
            (results.from_json, '{"cycles": 12}', "no value for cost 'power_w'; found cycles"),
            (results.from_json, '{"cycles": 12, "power_w": NaN}', "'power_w' is nan"),
            (results.from_json, '{"cycles": 12, "power_w": null}', "'power_w' is None"),
            (results.from_json, '{"cycles": 12, "power_w": true}', "'power_w' is True"),
            (results.from_json, '{"cycles": 12, "power_w": 1, "Cycles": 13}', "given twice"),
            (results.from_json, '{"cycles": 12, "power_w"', "no JSON"),
            (results.from_json, "[" * 100_000, "no JSON"),
            (results.from_json, "[12, 13]", "expected a JSON object"),
            (results.from_csv, "cycles,power_w\n", "found 1 line"),
            (results.from_csv, "cycles,power_w\n12\n", "1 value, the header 2 names"),
            (results.from_csv, "cycles,power\n12,1\n", "no value for cost 'power_w'; found cycles, power"),
            (results.from_csv, "cycles,power_w\n12,\n", "'power_w' is ''"),
            (results.from_key_value, "cycles 12\n", "no value for cost 'power_w'"),
            (results.from_key_value, "cycles 12\npower_w 1\ncycles 13\n", "given twice"),
            (results.from_key_value, "cycles 12\npower_w 1 W\n", "'power_w' is '1 W'"),
        ],
    )
    def test_what_is_missing_or_wrong_is_named(self, read: Any, text: str, reason: str) -> None:
        with pytest.raises(EvaluationError, match=reason):
            read(text, COSTS, "f")


class TestResults:
    @pytest.mark.parametrize(
        ("file", "form", "text"),
        [
            ("results.out", "auto", "12\n0.5"),
            ("results.json", "auto", '{"cycles": 12, "power_w": 0.5}'),
            ("results.CSV", "auto", "cycles,power_w\n12,0.5"),
            ("log.txt", "key_value", "cycles 12\npower_w 0.5"),
            ("results.out", "json", '{"cycles": 12, "power_w": 0.5}'),
        ],
    )
    def test_the_format_goes_by_the_ending_unless_given(self, tmp_path: Path, file: str, form: str, text: str) -> None:
        found = extracted(tmp_path, text, file, cost_output=file, options={"format": form})
        assert found == {"cycles": 12.0, "power_w": 0.5}

    @pytest.mark.parametrize(("text", "reason"), [(None, "no results.out"), ("", "is empty"), (" \n", "is empty")])
    def test_no_result_is_a_failure(self, tmp_path: Path, text: str | None, reason: str) -> None:
        extractor, here = make(tmp_path, "results"), trial(tmp_path)
        if text is not None:
            (here.folder / "results.out").write_text(text)
        with pytest.raises(EvaluationError, match=reason):
            extractor.call("Run", trial=here)

    def test_a_folder_in_its_place_is_a_failure(self, tmp_path: Path) -> None:
        extractor, here = make(tmp_path, "results"), trial(tmp_path)
        (here.folder / "results.out").mkdir()
        with pytest.raises(EvaluationError, match=r"results\.out cannot be read"):
            extractor.call("Run", trial=here)

    def test_bytes_that_are_no_text_are_a_failure(self, tmp_path: Path) -> None:
        extractor, here = make(tmp_path, "results"), trial(tmp_path)
        (here.folder / "results.out").write_bytes(b"\xff\xfe\x00\n1\n")
        with pytest.raises(EvaluationError, match="'cycles'"):
            extractor.call("Run", trial=here)

    @pytest.mark.parametrize("name", ["/tmp/results.out", "../results.out", "a/../../b"])
    def test_a_file_that_trials_would_share_is_refused(self, tmp_path: Path, name: str) -> None:
        with pytest.raises(ConfigError, match=r"extract\.cost_output.*not inside the run directory"):
            make(tmp_path, "results", cost_output=name)

    def test_an_unknown_option_is_refused_with_the_near_one(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match=r"extract\.options\.fromat.*did you mean 'format'"):
            make(tmp_path, "results", options={"fromat": "json"})

    def test_a_trial_without_folder_is_a_failure(self, tmp_path: Path) -> None:
        with pytest.raises(EvaluationError, match="no run directory"):
            make(tmp_path, "results").call("Run", trial=Trial(0, {"size": 1}))

    def test_the_older_name_is_known(self, tmp_path: Path) -> None:
        here = trial(tmp_path)
        (here.folder / "results.out").write_text("1\n2\n")
        assert make(tmp_path, "_extract.py").call("Run", trial=here) == {"cycles": 1.0, "power_w": 2.0}


class TestScript:
    """The user's extract script."""

    def extract(self, folder: Path, script: str, name: str = "extract.sh", **values: Any) -> tuple[Any, Path]:
        (folder / name).write_text(script)
        extractor = make(folder, "results", sample_extract_script=name)
        here = trial(folder, **values)
        return extractor.call("Run", trial=here), here.folder

    def test_it_runs_in_the_run_directory_with_values_put_in(self, tmp_path: Path) -> None:
        found, folder = self.extract(
            tmp_path, "echo 1${size} > results.out; echo $size >> results.out; echo said", size=3
        )
        assert found == {"cycles": 13.0, "power_w": 3.0}
        assert "said" in (folder / "extract.log").read_text()

    def test_the_default_script_beside_the_configuration_is_taken(self, tmp_path: Path) -> None:
        (tmp_path / "extract.sh").write_text("printf '7\\n8\\n' > results.out")
        assert make(tmp_path, "results").call("Run", trial=trial(tmp_path)) == {"cycles": 7.0, "power_w": 8.0}

    def test_values_are_data_to_it(self, tmp_path: Path) -> None:
        found, folder = self.extract(
            tmp_path, 'x=$text; [ "$x" = "\\$(touch hit)" ] && printf "1\\n2\\n" > results.out', text="$(touch hit)"
        )
        assert found == {"cycles": 1.0, "power_w": 2.0}
        assert not (folder / "hit").exists()

    def test_one_that_fails_fails_the_point_though_results_exist(self, tmp_path: Path) -> None:
        with pytest.raises(EvaluationError, match=r"extract\.sh.*exit status 3.*no luck"):
            self.extract(tmp_path, "printf '1\\n2\\n' > results.out; echo no luck; exit 3")

    def test_one_that_writes_nothing_fails_the_point(self, tmp_path: Path) -> None:
        with pytest.raises(EvaluationError, match=r"no results\.out"):
            self.extract(tmp_path, "true")

    def test_one_that_is_named_and_missing_is_a_fault_before_anything_runs(self, tmp_path: Path) -> None:
        with pytest.raises(DeffeError, match=r"extract\.sample_extract_script.*other\.sh") as caught:
            make(tmp_path, "results", sample_extract_script="other.sh")
        assert caught.value.exit_code == 2

    def test_one_that_hangs_is_killed_at_its_time_limit(self, tmp_path: Path) -> None:
        (tmp_path / "extract.sh").write_text("sleep 60")
        extractor = make(tmp_path, "results", options={"timeout_s": 0.2})
        with pytest.raises(EvaluationError, match=r"time limit of 0\.2 s"):
            extractor.call("Run", trial=trial(tmp_path))

    def test_a_python_script_gets_the_values_as_arguments(self, tmp_path: Path) -> None:
        found, _ = self.extract(
            tmp_path,
            "import sys\nsize = sys.argv[sys.argv.index('--size') + 1]\n"
            "open('results.out', 'w').write(f'{size}\\n2\\n')\n",
            name="read.py",
            size=3,
        )
        assert found == {"cycles": 3.0, "power_w": 2.0}

    def test_it_runs_on_the_executor_of_the_run(self, tmp_path: Path) -> None:
        (tmp_path / "extract.sh").write_text("printf '7\\n8\\n' > results.out")
        with closing(LocalExecutor(1)) as executor:
            extractor = make(tmp_path, "results").instance
            assert extractor.Run(trial(tmp_path), executor) == {"cycles": 7.0, "power_w": 8.0}

    def test_a_run_that_was_stopped_is_no_failure_of_the_point(self, tmp_path: Path) -> None:
        (tmp_path / "extract.sh").write_text("printf '7\\n8\\n' > results.out")
        executor = LocalExecutor(1)
        executor.close()
        with pytest.raises(DeffeError, match="stopped") as caught:
            make(tmp_path, "results").instance.Run(trial(tmp_path), executor)
        assert not isinstance(caught.value, EvaluationError)

    def test_many_threads_do_not_mix_trials(self, tmp_path: Path) -> None:
        (tmp_path / "extract.sh").write_text("printf '%s\\n%s\\n' $size $size > results.out")
        extractor = make(tmp_path, "results")
        trials = [trial(tmp_path, i, size=1 + i % 3) for i in range(12)]
        with ThreadPoolExecutor(6) as pool:
            found = list(pool.map(lambda one: extractor.call("Run", trial=one), trials))
        assert [costs["cycles"] for costs in found] == [1 + i % 3 for i in range(12)]


class TestRegex:
    def found(self, folder: Path, text: str, **options: Any) -> Any:
        return extracted(folder, text, "evaluate.log", "regex", options={"patterns": PATTERNS, **options})

    @pytest.mark.parametrize(("match", "cycles"), [("first", 10.0), ("last", 20.0)])
    def test_the_chosen_match_counts(self, tmp_path: Path, match: str, cycles: float) -> None:
        text = "no cycles: 5\ncycles: 10\nmean power 1.5 W\ncycles: 20\n"
        assert self.found(tmp_path, text, match=match) == {"cycles": cycles, "power_w": 1.5}

    def test_without_a_group_the_match_counts(self, tmp_path: Path) -> None:
        options = {"patterns": {"n": r"\d+"}}
        found = extracted(tmp_path, "a 12 b", "evaluate.log", "regex", costs=("n",), options=options)
        assert found == {"n": 12.0}

    @pytest.mark.parametrize(
        ("text", "match", "reason"),
        [
            ("cycles: 1\n", "last", "'power_w' matches nothing"),
            ("cycles: many\ntotal power 1 W", "last", "'cycles' is 'many'"),
            ("cycles: nan\ntotal power 1 W", "last", "'cycles' is 'nan'"),
            ("cycles: 1\ncycles: 1\ntotal power 1 W", "only", "'cycles' matches more than once"),
            ("", "last", "evaluate.log is empty"),
        ],
    )
    def test_what_is_missing_or_wrong_is_named(self, tmp_path: Path, text: str, match: str, reason: str) -> None:
        with pytest.raises(EvaluationError, match=reason):
            self.found(tmp_path, text, match=match)

    def test_all_faults_of_the_patterns_are_told_at_once(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError) as caught:
            make(tmp_path, "regex", options={"patterns": {"cylces": "x"}})
        text = str(caught.value)
        assert "did you mean 'cycles'" in text
        assert "cost 'power_w' has no regular expression" in text

    def test_a_pattern_that_is_none_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match=r"extract\.options\.patterns\.cycles"):
            make(tmp_path, "regex", costs=("cycles",), options={"patterns": {"cycles": "(["}})


class TestGem5Stats:
    def make(self, folder: Path, costs: dict[str, str], **options: Any) -> Any:
        return make(folder, "gem5_stats", tuple(costs), options={"stats": costs, **options})

    def run(self, folder: Path, content: bytes, costs: dict[str, str], file: str = "stats.txt", **options: Any) -> Any:
        extractor, here = self.make(folder, costs, **options), trial(folder)
        (here.folder / file).parent.mkdir(exist_ok=True)
        (here.folder / file).write_bytes(content)
        return extractor.call("Run", trial=here)

    @pytest.mark.parametrize("file", ["stats.txt", "stats.txt.gz", "m5out/stats.txt", "m5out/stats.txt.gz"])
    def test_scalars_and_vectors_are_read_by_their_full_names(self, tmp_path: Path, file: str) -> None:
        text = STATS.format(ticks=163962000).encode()
        content = gzip.compress(text) if file.endswith(".gz") else text
        vector = "system.l2.overallMisses"
        costs = {"ticks": "simTicks", "data": f"{vector}::cpu.data", "all": f"{vector}::total"}
        assert self.run(tmp_path, content, costs, file) == {"ticks": 163962000.0, "data": 112.0, "all": 120.0}

    @pytest.mark.parametrize(("dump", "ticks"), [(-1, 3), (-2, 2), (-3, 1), (0, 1), (1, 2), (2, 3)])
    def test_the_chosen_dump_is_read(self, tmp_path: Path, dump: int, ticks: int) -> None:
        content = "".join(STATS.format(ticks=i) for i in (1, 2, 3)).encode()
        assert self.run(tmp_path, content, {"ticks": "simTicks"}, dump=dump) == {"ticks": float(ticks)}

    @pytest.mark.parametrize("dump", [3, -4])
    def test_a_dump_that_is_not_there_is_a_failure(self, tmp_path: Path, dump: int) -> None:
        content = "".join(STATS.format(ticks=i) for i in (1, 2, 3)).encode()
        with pytest.raises(EvaluationError, match=f"no dump {dump}"):
            self.run(tmp_path, content, {"ticks": "simTicks"}, dump=dump)

    def test_an_earlier_complete_dump_can_be_read_from_a_file_cut_short(self, tmp_path: Path) -> None:
        whole, cut = STATS.format(ticks=1), STATS.format(ticks=2)[:150]
        assert self.run(tmp_path, (whole + cut).encode(), {"ticks": "simTicks"}, dump=0) == {"ticks": 1.0}

    @pytest.mark.parametrize(
        ("name", "reason"),
        [
            ("system.l2.overallMisses", "near: system.l2.overallMisses::total"),
            ("simTick", "no statistic 'simTick' for cost 'c'; near: simTicks"),
            ("system.l2.avgBlocked::no_mshrs", "'c' is 'nan'"),
            ("system.mem.bytesPerActivate::0-127", r"'c' is '\|'"),
        ],
    )
    def test_a_statistic_that_is_absent_or_no_number_is_named(self, tmp_path: Path, name: str, reason: str) -> None:
        with pytest.raises(EvaluationError, match=reason):
            self.run(tmp_path, STATS.format(ticks=1).encode(), {"c": name})

    @pytest.mark.parametrize("at", [60, 150, 300, 600])
    def test_a_file_cut_short_anywhere_is_a_failure(self, tmp_path: Path, at: int) -> None:
        with pytest.raises(EvaluationError, match="cut short"):
            self.run(tmp_path, STATS.format(ticks=1).encode()[:at], {"ticks": "simTicks"})

    @pytest.mark.parametrize(
        ("content", "file", "reason"),
        [
            (b"", "stats.txt", "is empty"),
            (b"nothing of gem5\n", "stats.txt", "no dump"),
            (gzip.compress(STATS.format(ticks=1).encode())[:-20], "stats.txt.gz", "cannot be read"),
            (b"not packed", "stats.txt.gz", "cannot be read"),
            (b"x", "other.txt", "no stats.txt in the run directory"),
        ],
    )
    def test_a_broken_file_is_a_failure(self, tmp_path: Path, content: bytes, file: str, reason: str) -> None:
        with pytest.raises(EvaluationError, match=reason):
            self.run(tmp_path, content, {"ticks": "simTicks"}, file)

    @pytest.mark.parametrize(
        ("formula", "value"),
        [
            ("simTicks / 2", 50.0),
            ("system.l2.overallMisses::total/system.l2.overallMisses::cpu.data", 120 / 112),
            ("max(simTicks, 3 * system.l2.overallMisses::total) - 1", 359.0),
            ("1 if simTicks > 99 else 0", 1.0),
            ("`simTicks` * 1e3", 1e5),
        ],
    )
    def test_a_formula_over_statistics(self, tmp_path: Path, formula: str, value: float) -> None:
        found = self.run(tmp_path, STATS.format(ticks=100).encode(), {"c": formula})
        assert found == {"c": pytest.approx(value)}

    @pytest.mark.parametrize(
        ("formula", "reason"),
        [
            ("simTicks / simTick", "no statistic 'simTick' for cost 'c'; near: simTicks"),
            ("1 / (simTicks - 100)", "cost 'c', 1 / .*, is inf at simTicks = 100"),
            ("system.l2.avgBlocked::no_mshrs + 1", "'c' is 'nan'"),
        ],
    )
    def test_a_formula_without_a_finite_value_is_a_failure(self, tmp_path: Path, formula: str, reason: str) -> None:
        with pytest.raises(EvaluationError, match=reason):
            self.run(tmp_path, STATS.format(ticks=100).encode(), {"c": formula})

    @pytest.mark.parametrize("formula", ["simTicks simInsts", "1 / 2", "open(simTicks)", "simTicks +"])
    def test_a_formula_that_cannot_be_read_is_a_fault(self, tmp_path: Path, formula: str) -> None:
        with pytest.raises(ConfigError, match=r"extract\.options\.stats\.c"):
            self.make(tmp_path, {"c": formula})

    def test_a_statistic_that_may_be_left_out_is_zero(self, tmp_path: Path) -> None:
        costs = {"c": "system.l2.writebacks::total", "d": "simTicks + system.l2.writebacks::total"}
        content = STATS.format(ticks=100).encode()
        found = self.run(tmp_path, content, costs, absent_is_zero=["c", "D"])
        assert found == {"c": 0.0, "d": 100.0}
        (tmp_path / "again").mkdir()
        with pytest.raises(EvaluationError, match="no statistic"):
            self.run(tmp_path / "again", content, costs, absent_is_zero=["d"])
        with pytest.raises(ConfigError, match="'x' is no cost"):
            self.make(tmp_path, costs, absent_is_zero=["x"])

    @pytest.mark.skipif(not RECORDS.is_dir(), reason="the records of gem5 runs are not here")
    @pytest.mark.parametrize("cpu", ["timing", "minor", "o3"])
    def test_well_known_costs_need_no_statistic(self, tmp_path: Path, cpu: str) -> None:
        """Those of the recorded tables."""
        costs = ("cpu_cycles", "sim_insts", "l1d_misses", "l1i_misses", "l2_misses", "dram_bytes", "dram_energy_pj",
                 "sim_seconds", "host_seconds")  # fmt: skip
        extractor, here = make(tmp_path, "gem5_stats", costs), trial(tmp_path)
        (here.folder / "stats.txt.gz").write_bytes((RECORDS / f"matmul24_{cpu}.stats.txt.gz").read_bytes())
        found = extractor.call("Run", trial=here)
        assert list(found) == list(costs)
        assert found["dram_bytes"] == pytest.approx(64 * found["l2_misses"], rel=0.05)
        assert found["sim_seconds"] == pytest.approx(found["cpu_cycles"] / 1e9, rel=0.01)

    def test_each_cost_needs_a_statistic(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match=r"extract\.options\.stats: cost 'power_w' has no statistic"):
            make(tmp_path, "gem5_stats", options={"stats": {"Cycles": "simTicks"}})

    @pytest.mark.skipif(not RECORDS.is_dir(), reason="the records of gem5 runs are not here")
    @pytest.mark.parametrize(("cpu", "cycles"), [("timing", 163962), ("minor", 112968), ("o3", 53984)])
    def test_records_of_real_runs_are_read(self, tmp_path: Path, cpu: str, cycles: int) -> None:
        content = (RECORDS / f"matmul24_{cpu}.stats.txt.gz").read_bytes()
        energy = "system.mem_ctrl.dram.rank0.totalEnergy"
        costs = {"cycles": "system.cpu.numCycles", "insts": "simInsts", "energy": energy}
        found = self.run(tmp_path, content, costs, "stats.txt.gz")
        assert found["cycles"] == cycles
        assert found["insts"] in (101706, 101707)
        assert found["energy"] > 1e6


class TestScripts:
    SECTIONS: tuple[tuple[str, dict[str, Any]], ...] = (
        ("results", {}),
        ("regex", {"options": {"patterns": PATTERNS}}),
        ("gem5_stats", {"options": {"stats": dict.fromkeys(COSTS, "simTicks")}}),
    )

    @pytest.mark.parametrize(("kind", "section"), SECTIONS)
    def test_the_fingerprint_follows_the_content(self, tmp_path: Path, kind: str, section: dict[str, Any]) -> None:
        assert make(tmp_path, kind, **section).instance.fingerprint == {}
        found = []
        for script, source in (("true", "true"), ("true", "false"), ("false", "false")):
            (tmp_path / "x.sh").write_text(script)
            (tmp_path / "s.sh").write_text(source)
            extractor = make(tmp_path, kind, sample_extract_script="x.sh", source_scripts=["s.sh"], **section)
            found.append(extractor.instance.fingerprint)
        one, two, three = found
        assert set(one) == {str(tmp_path / "x.sh"), str(tmp_path / "s.sh")}
        assert {file for file in one if one[file] != two[file]} == {str(tmp_path / "s.sh")}
        assert {file for file in one if two[file] != three[file]} == {str(tmp_path / "x.sh")}

    def test_windows_line_ends_are_a_fault(self, tmp_path: Path) -> None:
        (tmp_path / "x.sh").write_bytes(b"true\r\n")
        with pytest.raises(ConfigError, match=r"x\.sh has Windows line ends \(CRLF\); convert with: sed"):
            make(tmp_path, "results", sample_extract_script="x.sh")

    def test_excludes_are_about_options_alone(self, tmp_path: Path) -> None:
        (tmp_path / "x.sh").write_text("echo $size > results.out; printenv size >> results.out\n")
        extractor = make(tmp_path, "results", sample_extract_script="x.sh", sample_extract_excludes=["size"])
        assert extractor.call("Run", trial=trial(tmp_path)) == {"cycles": 2.0, "power_w": 2.0}
