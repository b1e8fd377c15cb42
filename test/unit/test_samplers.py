"""Properties of every sampler, and of each method."""

from __future__ import annotations

import importlib
import logging
import pkgutil
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy.spatial.distance import pdist
from scipy.stats import qmc

from deffe import samplers
from deffe.api import Framework
from deffe.errors import ConfigError, DeffeError, PluginError, TableError, UsageError
from deffe.expressions import Expression
from deffe.records import Batch
from deffe.samplers._designs import Snap, coded_levels
from deffe.samplers.central_composite import central_composite
from deffe.samplers.halton import halton
from deffe.samplers.latin_hypercube import latin_hypercube
from deffe.samplers.maximin import farthest_first
from deffe.samplers.plackett_burman import plackett_burman
from deffe.samplers.random_k_means import cluster_middles
from deffe.samplers.sobol import sobol
from deffe.space import Constraint, DesignSpace, Parameter
from deffe.space.proposals import random_points, take

SEEDED = ("random", "latin_hypercube", "sobol", "halton", "maximin", "random_k_means", "onedim_with_smart")
ORDERED = ("full_factorial", "in_order")
FINITE = (
    "plackett_burman", "box_behnken", "central_composite", "fractional_factorial", "one_dimensional", "custom",
)  # fmt: skip
ALL = (*SEEDED, *ORDERED, *FINITE)
NONE_KNOWN = np.empty(0, dtype=np.int64)


def product_space(*sizes: int, constraints: tuple[str, ...] = (), **fields: dict[str, Any]) -> DesignSpace:
    names = [f"k{i:02}" for i in range(len(sizes))]
    knobs = [Parameter(n, tuple(range(size)), **fields.get(n, {})) for n, size in zip(names, sizes, strict=True)]
    return DesignSpace(tuple(knobs), tuple(Constraint.parse(text, names) for text in constraints))


def small() -> DesignSpace:
    return product_space(3, 4, 2)


def constrained() -> DesignSpace:
    return product_space(5, 4, 3, 2, constraints=("k00 + k01 != 3", "k02 <= k00 + 1"))


def conditional() -> DesignSpace:
    names = ["k00", "k01", "k02", "k03"]
    return product_space(2, 4, 3, 3, k01={"when": Expression("k00 == 1", names)})


def listed() -> DesignSpace:
    """40 rows of a product of 20,000 points."""
    whole = product_space(20, 20, 10, 5)
    return whole.listed(whole.sample(40, np.random.default_rng(5)))


def estimated() -> DesignSpace:
    """Too large a constrained part to be enumerated: the size is an estimate."""
    total = " + ".join(f"k{i:02}" for i in range(12))
    return product_space(*[10] * 12, constraints=(f"{total} <= 54",))


def huge() -> DesignSpace:
    return product_space(*[10] * 30)


SMALL_SPACES = (small, constrained, conditional, listed)


class Bench:
    """Makes samplers for a space, the way the loop does, and runs them over steps."""

    def __init__(self, folder: Path, space: DesignSpace) -> None:
        self.folder = folder
        self.space = space
        self.csv = folder / "points.csv"
        points = space.sample(min(20, space.size), np.random.default_rng(9))
        space.frame(points).to_csv(self.csv, index=False)

    def framework(self, name: str, seed: int = 1, **options: object) -> Framework:
        stand_in: Any = SimpleNamespace(
            source="x.json", find=lambda path: Path(path) if Path(path).is_file() else None, objectives=()
        )
        section: Any = SimpleNamespace(options=options, points=str(self.csv))
        return Framework(
            space=self.space,
            costs=("cost",),
            folder=self.folder,
            log=logging.getLogger("test"),
            config=stand_in,
            exploration=stand_in,
            section=section,
            place="sampling",
            name=name,
            seed=seed,
        )

    def sampler(self, name: str, seed: int = 1, **options: object) -> Any:
        made = importlib.import_module(f"deffe.samplers.{name}").GetObject(self.framework(name, seed, **options))
        made.Initialize()
        return made

    def run(self, name: str, *counts: int, seed: int = 1, anew: bool = False, **options: object) -> list[Batch]:
        """The batches of steps 0, 1, ... of these counts, from one object or from a new one each step."""
        known, batches = NONE_KNOWN, []
        sampler = self.sampler(name, seed, **options)
        for step, count in enumerate(counts):
            sampler = self.sampler(name, seed, **options) if anew else sampler
            batches.append(sampler.Run(step=step, count=count, known=known))
            known = np.sort(np.concatenate([known, batches[-1].ids]))
        return batches

    def points(self, name: str, *counts: int, **rest: Any) -> np.ndarray:
        return np.concatenate([batch.levels for batch in self.run(name, *counts, **rest)])


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Any]:
    def make(space: DesignSpace) -> Bench:
        return Bench(tmp_path, space)

    return make


def suits(name: str, space: DesignSpace) -> bool:
    """Whether a coded design has a point in the space at all."""
    return name not in FINITE or space.size > 0.1 * space.product_size or name == "custom"


def test_every_sampler_is_tested_here() -> None:
    builtin = {m.name for m in pkgutil.iter_modules(samplers.__path__) if not m.name.startswith("_")}
    assert builtin == set(ALL)


def test_old_names_lead_to_samplers_with_valid_options(bench: Any) -> None:
    here = bench(small())
    original = (
        "random factorial onedim smart onedim_with_smart frac_fact_res plackett_burman box_behnken "
        "central_composite_ccf central_composite_cci central_composite_ccc lhs space_filling_lhs "
        "random_k_means maximin halton uniform_random _sampling"
    )
    assert set(original.split()) == set(samplers.OLD_NAMES)
    for name, options in samplers.OLD_NAMES.values():
        assert len(here.run(name, 3, **options)[0]) == 3


@pytest.mark.parametrize("make", SMALL_SPACES)
@pytest.mark.parametrize("name", ALL)
def test_points_are_new_valid_and_distinct(bench: Any, name: str, make: Any) -> None:
    here = bench(make())
    if not suits(name, here.space):
        pytest.skip("a corner design has no point in a short list")
    batches = here.run(name, 5, 0, 1, 7, 300)
    assert [batch.step for batch in batches] == [0, 1, 2, 3, 4]
    assert all(len(batch) <= count for batch, count in zip(batches, (5, 0, 1, 7, 300), strict=True))
    levels = np.concatenate([batch.levels for batch in batches])
    assert here.space.valid(levels).all()
    assert len(np.unique(here.space.ids(levels))) == len(levels) > 0


@pytest.mark.parametrize("make", [*SMALL_SPACES, estimated])
@pytest.mark.parametrize("name", ALL)
def test_same_seed_same_points_also_after_a_restart(bench: Any, name: str, make: Any) -> None:
    here = bench(make())
    if not suits(name, here.space):
        pytest.skip("a corner design has no point in a short list")
    counts = (5, 3, 8)
    first = here.points(name, *counts)
    np.testing.assert_array_equal(first, here.points(name, *counts))
    np.testing.assert_array_equal(first, here.points(name, *counts, anew=True))


@pytest.mark.parametrize("name", ALL)
def test_a_repeated_call_gives_the_same_points(bench: Any, name: str) -> None:
    sampler = bench(small()).sampler(name)
    first, again = (sampler.Run(step=0, count=5, known=NONE_KNOWN) for _ in range(2))
    np.testing.assert_array_equal(first.ids, again.ids)


@pytest.mark.parametrize("name", [name for name in SEEDED if name != "onedim_with_smart"])
def test_seeds_and_steps_differ(bench: Any, name: str) -> None:
    here = bench(product_space(50, 50, 50))
    first = here.points(name, 10)
    assert not np.array_equal(first, here.points(name, 10, seed=2))
    sampler = here.sampler(name)
    later = sampler.Run(step=1, count=10, known=np.sort(here.space.ids(first)))
    assert not np.array_equal(first, later.levels)


@pytest.mark.parametrize("make", [*SMALL_SPACES, lambda: product_space(7), lambda: product_space(1, 1)])
@pytest.mark.parametrize("name", [*SEEDED, *ORDERED])
def test_a_small_space_is_used_up_exactly(bench: Any, name: str, make: Any) -> None:
    here = bench(make())
    size = here.space.size
    counts = [4] * (size // 4 + 2)
    batches = here.run(name, *counts)
    assert [len(batch) for batch in batches] == [max(0, min(4, size - 4 * i)) for i in range(len(counts))]
    assert len(np.unique(np.concatenate([batch.ids for batch in batches]))) == size


@pytest.mark.parametrize("make", [*SMALL_SPACES, lambda: product_space(7)])
@pytest.mark.parametrize("name", [*SEEDED, *ORDERED])
def test_asking_for_more_than_there_is_gives_all(bench: Any, name: str, make: Any) -> None:
    here = bench(make())
    assert len(here.points(name, here.space.size + 50)) == here.space.size


@pytest.mark.parametrize("name", SEEDED)
def test_the_last_points_are_found_among_many_known(bench: Any, name: str) -> None:
    here = bench(product_space(30, 30, 30))
    levels = np.concatenate(list(here.space.chunks(10_000)))
    last = np.random.default_rng(0).permutation(len(levels))[:5]
    known = np.sort(np.delete(here.space.ids(levels), last))
    found = here.sampler(name).Run(step=3, count=10, known=known)
    assert set(found.ids) == set(here.space.ids(levels[last]))


@pytest.mark.parametrize("name", SEEDED)
@pytest.mark.parametrize("make", [huge, estimated])
def test_large_spaces_are_no_obstacle(bench: Any, name: str, make: Any) -> None:
    here = bench(make())
    levels = here.points(name, 40, 600)
    assert len(np.unique(levels, axis=0)) == 640
    assert here.space.valid(levels).all()


@pytest.mark.parametrize("name", ORDERED)
def test_index_order_needs_no_list_of_the_space(bench: Any, name: str) -> None:
    here = bench(huge())
    np.testing.assert_array_equal(here.points(name, 7, 5), here.space.points(range(12)))


@pytest.mark.parametrize("name", ORDERED)
def test_index_order_where_the_size_is_an_estimate(bench: Any, name: str) -> None:
    here = bench(estimated())
    expected = next(iter(here.space.chunks(200)))[:30]
    np.testing.assert_array_equal(here.points(name, 20, 10), expected)


@pytest.mark.parametrize("name", ORDERED)
def test_listed_points_come_in_their_order(bench: Any, name: str) -> None:
    whole = product_space(20, 20)
    rows = whole.sample(30, np.random.default_rng(1))
    np.testing.assert_array_equal(bench(whole.listed(rows)).points(name, 11, 50), rows)


@pytest.mark.parametrize("name", [*FINITE, "full_factorial"])
def test_a_finite_design_does_not_depend_on_the_steps_or_the_seed(bench: Any, name: str) -> None:
    here = bench(product_space(3, 4, 5))
    at_once = here.points(name, 1000)
    np.testing.assert_array_equal(at_once, here.points(name, *[3] * 40, seed=7))
    np.testing.assert_array_equal(at_once, here.points(name, *[3] * 40, anew=True))


def test_dropped_design_points_are_logged(bench: Any, caplog: pytest.LogCaptureFixture) -> None:
    here = bench(product_space(3, 3, constraints=("k00 + k01 < 4",)))
    with caplog.at_level(logging.INFO):
        levels = here.points("central_composite", 100)
    assert len(levels) == 8
    assert "10 runs in the design, 1 dropped as invalid, 1 dropped as repeated" in caplog.text


def test_a_design_without_a_valid_point_is_an_error(bench: Any) -> None:
    here = bench(product_space(5, 5, constraints=("k00 == 1", "k01 == 1")))
    with pytest.raises(PluginError, match="none of the"):
        here.sampler("plackett_burman")


def test_uniform_among_valid_points(bench: Any) -> None:
    here = bench(constrained())
    counts = {int(i): 0 for i in here.space.ids(np.concatenate(list(here.space.chunks(1000))))}
    for seed in range(400):
        for i in here.run("random", 6, seed=seed)[0].ids:
            counts[int(i)] += 1
    expected = 400 * 6 / here.space.size
    chi_squared = sum((n - expected) ** 2 / expected for n in counts.values())
    assert chi_squared < 2 * len(counts)


@pytest.mark.parametrize("space_filling", [False, True])
@pytest.mark.parametrize("n", [1, 2, 17, 256])
def test_every_slice_is_hit_once(n: int, space_filling: bool) -> None:
    points = latin_hypercube(n, 3, np.random.default_rng(0), space_filling=space_filling)
    for column in points.T:
        np.testing.assert_array_equal(np.sort((column * n).astype(int)), np.arange(n))


@pytest.mark.parametrize("space_filling", [False, True])
def test_latin_hypercube_hits_every_level_equally_often(bench: Any, space_filling: bool) -> None:
    levels = bench(product_space(*[10] * 6)).points("latin_hypercube", 40, space_filling=space_filling)
    for column in levels.T:
        np.testing.assert_array_equal(np.bincount(column, minlength=10), np.full(10, 4))


def test_space_filling_lowers_the_discrepancy() -> None:
    plain, filling = (
        np.mean([
            qmc.discrepancy(latin_hypercube(30, 4, np.random.default_rng(seed), space_filling=filling))
            for seed in range(3)
        ])
        for filling in (False, True)
    )  # fmt: skip
    assert filling < 0.8 * plain


@pytest.mark.parametrize("name", ["sobol", "halton"])
@pytest.mark.parametrize("make", [small, constrained, huge])
def test_a_sequence_continues_over_the_steps(bench: Any, name: str, make: Any) -> None:
    here = bench(make())
    np.testing.assert_array_equal(here.points(name, 11), here.points(name, 4, 1, 6))
    np.testing.assert_array_equal(here.points(name, 11), here.points(name, 4, 1, 6, anew=True))


@pytest.mark.parametrize("sequence", [sobol, halton])
def test_a_sequence_starts_anywhere(sequence: Any) -> None:
    whole = sequence(0, 64, 5, np.random.default_rng(3))
    np.testing.assert_array_equal(whole[20:51], sequence(20, 31, 5, np.random.default_rng(3)))


def test_sobol_balances_the_levels(bench: Any) -> None:
    levels = bench(product_space(*[4] * 8)).points("sobol", 64)
    for column in levels.T:
        assert abs(np.bincount(column, minlength=4) - 16).max() <= 1


@pytest.mark.parametrize("name", SEEDED)
def test_no_library_warning_reaches_the_user(bench: Any, name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        bench(product_space(9, 9, 9)).points(name, 5, 13, 100)


def test_farthest_first_takes_the_extremes() -> None:
    pool = np.array([[0.5, 0.5], [0.1, 0.1], [0.0, 0.0], [1.0, 1.0], [0.9, 0.9], [1.0, 0.0]])
    assert set(farthest_first(pool, 4)) == {0, 2, 3, 5}
    assert sorted(farthest_first(np.zeros((5, 2)), 5)) == [0, 1, 2, 3, 4]


def test_maximin_keeps_points_apart(bench: Any) -> None:
    here = bench(product_space(*[20] * 3))
    nearest = {
        name: np.mean([pdist(here.space.features(here.points(name, 20, seed=s))).min() for s in range(5)])
        for name in ("maximin", "random")
    }
    assert nearest["maximin"] > 2 * nearest["random"]


def test_cluster_middles_take_one_row_of_each_cluster() -> None:
    rng = np.random.default_rng(0)
    centres = rng.permutation([[0.1, 0.1], [0.9, 0.1], [0.1, 0.9], [0.9, 0.9]])
    pool = np.concatenate([centres, *(centres + 0.03 * rng.standard_normal((4, 2)) for _ in range(30))])
    middles = pool[cluster_middles(pool, 4)]
    assert {tuple(np.round(middle)) for middle in middles} == {(0, 0), (0, 1), (1, 0), (1, 1)}
    assert np.abs(middles - np.array([0.1, 0.9])[np.round(middles).astype(int)]).max() < 0.05


def test_random_k_means_covers_better_than_random(bench: Any) -> None:
    here = bench(product_space(30, 30))
    everything = here.space.features(np.concatenate(list(here.space.chunks(1000))))

    def worst_gap(name: str, seed: int) -> float:
        chosen = here.space.features(here.points(name, 16, seed=seed))
        return float(np.linalg.norm(everything[:, None] - chosen[None], axis=2).min(axis=1).max())

    means, uniform = (np.mean([worst_gap(name, s) for s in range(5)]) for name in ("random_k_means", "random"))
    assert means < 0.85 * uniform


@pytest.mark.parametrize("knobs", [1, 2, 3, 7, 11, 12, 19, 25, 30, 36, 90])
def test_plackett_burman_columns_are_balanced_and_orthogonal(knobs: int) -> None:
    design = plackett_burman(knobs)
    assert design.shape[1] == knobs
    assert knobs < len(design) <= 2 * knobs + 6
    np.testing.assert_array_equal(design.T @ design, len(design) * np.eye(knobs))
    np.testing.assert_array_equal(design.sum(axis=0), 0)


def test_plackett_burman_uses_first_and_last_values_only(bench: Any) -> None:
    levels = bench(product_space(5, 4, 3, 2, 6, 7, 8)).points("plackett_burman", 100)
    assert len(levels) == 8
    assert all(set(column) == {0, column.max()} for column in levels.T)
    assert list(levels.max(axis=0)) == [4, 3, 2, 1, 5, 6, 7]


def test_box_behnken_moves_two_knobs_at_a_time(bench: Any) -> None:
    levels = bench(product_space(5, 3, 7, 9)).points("box_behnken", 100)
    assert len(levels) == 25  # 4 runs for each of 6 pairs, and the centre
    off_centre = (levels != np.array([2, 1, 3, 4])).sum(axis=1)
    assert sorted(off_centre) == [0] + [2] * 24
    assert set(levels[:, 3]) == {0, 4, 8}


@pytest.mark.parametrize("face", ["ccf", "cci", "ccc"])
def test_central_composite_has_axial_points_at_the_extremes(bench: Any, face: str) -> None:
    levels = bench(product_space(21, 21, 21)).points("central_composite", 100, face=face)
    assert len(levels) == 8 + 6 + 1
    off_centre = levels != 10
    axial = levels[off_centre.sum(axis=1) == 1]
    assert len(axial) == 6
    assert set(axial[axial != 10]) == {0, 20}
    corners = levels[off_centre.all(axis=1)]
    assert len(corners) == 8
    assert (set(corners.ravel()) == {0, 20}) == (face == "ccf")


def test_circumscribed_points_are_scaled_into_the_range() -> None:
    for alpha in ("orthogonal", "rotatable"):
        design = central_composite(4, "ccc", alpha)  # type: ignore[arg-type]
        assert np.abs(design).max() == 1.0
        corners = np.abs(design[(design != 0).all(axis=1)])
        assert corners.min() == corners.max() < 1.0


@pytest.mark.parametrize(("resolution", "runs"), [(3, 8), (4, 16), (5, 64), (7, 64)])
def test_fractional_factorial_keeps_main_effects_apart(bench: Any, resolution: int, runs: int) -> None:
    levels = bench(product_space(*[5] * 7)).points("fractional_factorial", 1000, resolution=resolution)
    coded = levels / 2.0 - 1.0
    assert len(coded) == runs
    np.testing.assert_array_equal(coded.T @ coded, runs * np.eye(7))
    if resolution >= 4:
        products = np.array([coded[:, i] * coded[:, j] for i in range(7) for j in range(i)])
        assert not (products @ coded).any()


def test_one_dimensional_changes_one_knob_at_a_time(bench: Any) -> None:
    here = bench(product_space(4, 3, 5, 1, k00={"base": 2}, k02={"base": 4}))
    levels = here.points("one_dimensional", 100)
    np.testing.assert_array_equal(levels[0], [2, 0, 4, 0])
    assert len(levels) == 1 + 3 + 2 + 4
    assert ((levels != levels[0]).sum(axis=1) == [0] + [1] * 9).all()


def test_combination_knobs_are_crossed(bench: Any) -> None:
    crossed = {"onedim_combination": True}
    here = bench(product_space(4, 3, 2, 5, k01=crossed, k02={**crossed, "kind": "scenario"}))
    levels = here.points("one_dimensional", 1000)
    assert len(levels) == 3 * 2 * (1 + 3 + 4)
    for one in range(3):
        for two in range(2):
            star = levels[(levels[:, 1] == one) & (levels[:, 2] == two)]
            assert sorted((star[:, [0, 3]] != 0).sum(axis=1)) == [0] + [1] * 7


def test_onedim_with_smart_starts_with_the_sweep(bench: Any) -> None:
    here = bench(product_space(4, 3, 5, 6))
    sweep = here.points("one_dimensional", 100)
    both = here.points("onedim_with_smart", 10, 10, 10)
    np.testing.assert_array_equal(both[: len(sweep)], sweep)
    assert len(both) == 30


def test_inactive_knobs_take_no_part_in_a_design(bench: Any) -> None:
    here = bench(conditional())
    levels = here.points("one_dimensional", 100)
    assert not levels[levels[:, 0] == 0][:, 1].any()
    assert len(levels) == 1 + 1 + 0 + 2 + 2  # k01 cannot vary around a base where k00 == 0


@pytest.mark.parametrize(
    ("name", "sizes", "text"),
    [
        ("box_behnken", (3, 3, 1), "needs at least 3"),
        ("central_composite", (3,), "needs at least 2"),
        ("fractional_factorial", (3, 1), "needs at least 2"),
        ("plackett_burman", (1,), "needs at least 1"),
        ("central_composite", (3,) * 30, "1,073,741,885 runs, more than 1,000,000"),
        ("one_dimensional", (1000, 1001, 3), "runs, more than 1,000,000"),
    ],
)
def test_unsuitable_spaces_are_refused(bench: Any, name: str, sizes: tuple[int, ...], text: str) -> None:
    crossed = {"onedim_combination": True}
    fields = {"k00": crossed, "k01": crossed} if name == "one_dimensional" else {}
    here = bench(product_space(*sizes, **fields))
    with pytest.raises(PluginError, match=text):
        here.sampler(name)


def test_too_high_a_resolution_is_refused(bench: Any) -> None:
    with pytest.raises(PluginError, match="runs, more than"):
        bench(huge()).sampler("fractional_factorial", resolution=25)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("latin_hypercube", {"space_fill": True}),
        ("central_composite", {"face": "ccx"}),
        ("fractional_factorial", {"resolution": 2}),
    ],
)
def test_wrong_options_are_refused(bench: Any, name: str, options: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=next(iter(options))):
        bench(small()).sampler(name, **options)


def test_custom_points_come_in_the_order_of_the_file(bench: Any) -> None:
    here = bench(small())
    here.csv.write_text("k02, k00, k01\n1, 2, 3\n0, 0, 0\n1, 2, 3\n0, 1, 2\n")
    np.testing.assert_array_equal(here.points("custom", 2, 5), [[2, 3, 1], [0, 0, 0], [1, 2, 0]])


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("k00,k01,k02\n0,0,0\n0,9,0\n", r"k01.*9"),
        ("k00,k01\n0,0\n", "k02"),
        ("k00,k01,k02\n", "no points"),
        ("", "cannot be read"),
    ],
)
def test_custom_points_outside_the_space_are_named(bench: Any, text: str, found: str) -> None:
    here = bench(small())
    here.csv.write_text(text)
    with pytest.raises(TableError, match=found):
        here.sampler("custom")


def test_custom_points_that_break_a_constraint_are_named(bench: Any) -> None:
    here = bench(constrained())
    here.csv.write_text("k00,k01,k02,k03\n0,0,0,0\n1,2,0,0\n")
    with pytest.raises(TableError, match=r"1 point is not valid in the space explored, of 2(.|\n)*rows 2"):
        here.sampler("custom")


def test_a_missing_file_of_points_is_named(bench: Any) -> None:
    here = bench(small())
    here.csv.unlink()
    with pytest.raises(UsageError, match=r"no file .*points\.csv"):
        here.sampler("custom")


def test_coded_designs_reach_first_middle_and_last(bench: Any) -> None:
    space = product_space(5, 1, 2, 9)
    coded = np.array([[-1.0, -1, -1], [0, 0, 0], [1, 1, 1], [-3, 3, 0.5]])
    expected = [[0, 0, 0, 0], [2, 0, 1, 4], [4, 0, 1, 8], [0, 0, 1, 6]]
    np.testing.assert_array_equal(coded_levels(space, coded), expected)


def test_take_keeps_order_and_drops_what_is_known() -> None:
    space = product_space(4, 4, constraints=("k00 != k01",))
    candidates = np.array([[0, 1], [2, 2], [3, 0], [0, 1], [1, 0], [2, 3]], dtype=np.int32)
    known = np.sort(space.ids(candidates[[2]]))
    np.testing.assert_array_equal(take(space, candidates, known, 2), [[0, 1], [1, 0]])
    np.testing.assert_array_equal(take(space, candidates, known, 9), [[0, 1], [1, 0], [2, 3]])


def test_designs_move_to_the_nearest_row_of_a_table() -> None:
    whole = product_space(100, 100)
    space = whole.listed(np.array([[10, 10], [90, 10], [50, 95]], dtype=np.int32))
    unit = np.array([[0.0, 0.0], [0.99, 0.3], [0.4, 0.8]])
    np.testing.assert_array_equal(Snap(space)(unit), [[10, 10], [90, 10], [50, 95]])


def test_random_points_stop_when_the_space_is_empty() -> None:
    space = small()
    everything = np.concatenate(list(space.chunks(100)))
    assert len(random_points(space, 5, np.sort(space.ids(everything)), np.random.default_rng(0))) == 0


def test_errors_are_shown_to_the_user(bench: Any) -> None:
    with pytest.raises(DeffeError) as caught:
        bench(product_space(3, 3)).sampler("box_behnken")
    assert "full_factorial" in str(caught.value)


def test_the_sampler_of_the_manual_keeps_the_contract(bench: Any) -> None:
    manual = Path(__file__).parents[2] / "docs" / "samplers.md"
    code = manual.read_text().split("plugin=sampler\n")[1].split("```")[0]
    module: dict[str, Any] = {}
    exec(compile(code, str(manual), "exec"), module)
    here = bench(product_space(10, 10, 10))
    sampler = module["GetObject"](here.framework("lower_half"))
    sampler.Initialize()
    first = sampler.Run(step=0, count=20, known=NONE_KNOWN)
    second = sampler.Run(step=1, count=20, known=np.sort(first.ids))
    assert len(first) == 20
    assert not np.isin(second.ids, first.ids).any()
    assert max(first.levels.max(), second.levels.max()) == 4
