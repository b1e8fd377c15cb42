"""The conformance kit: checks that any plugin, built-in or yours, keeps the contract of its kind.

from deffe.testing import check_plugin, make_framework

def test_my_sampler(tmp_path):
    check_plugin("sampler", "my_sampler.py", make_framework(tmp_path, "sampling"))
"""

from __future__ import annotations

import json
import logging
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from deffe.api import Framework
from deffe.config import load
from deffe.executors.local import LocalExecutor
from deffe.plugins import Plugin
from deffe.plugins import load as load_plugin
from deffe.records import PARTS, Advice, Answer, Batch, Features, ModelReport, Outcome, Prediction, State, Trial
from deffe.tables.columns import bookkeeping

SMALL = {
    "knobs": [
        {"name": "size", "values": "1, 2, 4, 8, 16", "scale": "log2", "unit": "KiB"},
        {"name": "ways", "values": "1, 2, 4", "scale": "log2"},
        {"name": "policy", "values": ["lru", "random"]},
    ],
    "constraints": ["size >= ways"],
    "costs": ["cycles", "energy"],
}
"""A small design space with a constraint, a category and two costs."""


def make_framework(
    folder: Path, place: str, *, config: Mapping[str, Any] | None = None, seed: int = 0, workers: int = 2
) -> Framework:
    """A handle as a run would give it to a plugin.

    Args:
        folder: where the configuration and the run directory are written.
        place: the plugin's section: ``sampling``, ``evaluate``, ``extract``, ``model`` or ``exploration``.
        config: a configuration; by default ``SMALL``. Keys given here are laid over it.
    """
    file = folder / "config.json"
    file.write_text(json.dumps({**SMALL, **(config or {})}))
    checked = load(file)
    exploration = checked.explorations[0]
    (folder / "explore").mkdir(exist_ok=True)
    return Framework(
        space=exploration.space,
        costs=checked.costs,
        folder=folder / "explore",
        log=logging.getLogger("deffe.testing"),
        config=checked,
        exploration=exploration,
        section=getattr(checked, place),
        place=place,
        name=place,
        seed=seed,
        workers=workers,
    )


def check_plugin(kind: str, name: str, framework: Framework) -> None:
    """Load a plugin and check that it keeps its contract.

    Args:
        kind: ``sampler``, ``evaluator``, ``extractor``, ``model`` or ``explorer``.
        name: as in the configuration: a built-in name, a file beside it, an installed one.
    Raises:
        AssertionError: with what was expected of it.
        PluginError: it cannot be loaded.
    """
    CHECKS[kind](lambda: load_plugin(kind, name, framework), framework)


Make = Callable[[], Plugin]


def _expect(holds: object, what: str) -> None:
    if not holds:
        raise AssertionError(what)


def _empty_table(framework: Framework) -> pd.DataFrame:
    """The cost table of a run that has proposed nothing yet."""
    own = [*framework.space.names, *framework.costs]
    names = bookkeeping(own)
    table: pd.DataFrame = pd.DataFrame(columns=[*names.values(), *own])
    return table


def check_sampler(make: Make, framework: Framework) -> None:
    """Points are valid, distinct, new, at most as many as asked for, and the same for the same seed."""
    space = framework.space
    known = np.empty(0, dtype=np.int64)
    table = _empty_table(framework)
    sampler, twin = make(), make()
    for step in range(3):
        batch = sampler.call("Run", step=step, count=4, known=known, table=table)
        again = twin.call("Run", step=step, count=4, known=known, table=table)
        if batch is None or again is None:
            _expect(batch is None and again is None, "the same seed gives the same points")
            return
        _expect(isinstance(batch, Batch), f"Run gives a Batch or None, got {type(batch).__name__}")
        _expect(len(batch) <= 4, f"at most 4 points were asked for, got {len(batch)}")
        _expect(np.array_equal(batch.levels, again.levels), "the same seed gives the same points")
        _expect(space.valid(batch.levels).all(), "points lie in the design space and meet its constraints")
        _expect(np.array_equal(batch.ids, space.ids(batch.levels)), "ids are those of the space: use space.of_levels")
        _expect(len(np.unique(batch.ids)) == len(batch), "the points of a batch are distinct")
        _expect(not np.isin(batch.ids, known).any(), "points that are known are not proposed again")
        known = np.sort(np.concatenate([known, batch.ids]))


def check_evaluator(make: Make, framework: Framework) -> None:
    """Each point gets exactly one outcome; done points have costs or a folder, others a reason."""
    space = framework.space
    batch = space.of_levels(0, space.sample(5, np.random.default_rng(0)))
    executor = LocalExecutor(framework.workers)
    try:
        outcomes = list(make().call("Run", batch=batch, executor=executor, table=_empty_table(framework)))
    finally:
        executor.close()
    _expect(all(isinstance(o, Outcome) for o in outcomes), "Run yields Outcome records")
    rows = np.concatenate([o.rows for o in outcomes]) if outcomes else np.empty(0)
    _expect(np.array_equal(np.sort(rows), np.arange(len(batch))), "each point of the batch has exactly one outcome")
    for outcome in outcomes:
        _check_outcome(outcome, len(framework.costs))


def _check_outcome(outcome: Outcome, costs: int) -> None:
    done = outcome.states == State.DONE
    if outcome.costs is None:
        _expect(outcome.trial is not None and outcome.trial.folder is not None, "no costs: extraction needs a folder")
        return
    _expect(outcome.costs.shape[1] == costs, f"{costs} costs a point, got {outcome.costs.shape[1]}")
    _expect(np.isfinite(outcome.costs[done]).all(), "the costs of done points are finite")
    _expect(np.isnan(outcome.costs[~done]).all(), "the costs of failed points are NaN, never a number")
    texts = outcome.reasons or [""] * len(done)
    _expect(all(text for text, fine in zip(texts, done, strict=True) if not fine), "failed points have a reason")


def check_extractor(make: Make, framework: Framework) -> None:
    """An empty run directory gives an error with a reason, never a number."""
    from deffe.errors import EvaluationError

    folder = framework.folder / "empty"
    folder.mkdir(exist_ok=True)
    values = framework.space.trial_values(framework.space.points([0])[0])
    executor = LocalExecutor(framework.workers)
    try:
        found = make().call("Run", trial=Trial(0, values, folder), executor=executor)
    except EvaluationError as error:
        _expect(error.message, "the error says what is wrong")
        return
    finally:
        executor.close()
    raise AssertionError(f"an empty run directory gives an EvaluationError, got {found!r}")


def check_model(make: Make, framework: Framework) -> None:
    """Reports and predictions have the right shape, are finite, and are the same for the same seed.

    A model with ``Save`` predicts the same from its checkpoint.
    """
    space = framework.space
    levels = space.sample(24, np.random.default_rng(1))
    features = space.features(levels)
    costs = np.column_stack([100 + 50 * features.sum(axis=1), 1 + features[:, 0]])[:, : len(framework.costs)]
    predictions = []
    validation = np.arange(len(levels)) % 5 == 0
    models = make(), make()
    for model in models:
        report = model.call("Run", features=features, costs=costs, levels=levels, step=0, validation=validation)
        _expect(isinstance(report, ModelReport), f"Run gives a ModelReport, got {type(report).__name__}")
        measured = [entry.cost for entry in report.costs]
        _expect(measured in ([], list(framework.costs)), "the report has one entry a cost, in order, or none at all")
        predictions.append(model.call("Predict", features=features, levels=levels))
    first, second = predictions
    _expect(isinstance(first, Prediction), f"Predict gives a Prediction, got {type(first).__name__}")
    _expect(first.mean.shape == costs.shape, f"the mean has shape {costs.shape}, got {first.mean.shape}")
    _expect(np.isfinite(first.mean).all() and np.isfinite(first.std).all(), "predictions are finite")
    _expect((first.std >= 0).all(), "standard deviations are not negative")
    _expect((first.lower <= first.upper).all(), "lower bounds are not above upper ones")
    _expect(np.array_equal(first.mean, second.mean), "the same seed gives the same predictions")
    if models[1].has("Means"):
        last = framework.costs[-1:]
        means = models[1].call("Means", features=features, levels=levels, costs=last)
        _expect(np.allclose(means, second.mean[:, -1:], rtol=1e-9), "Means gives the means of Predict")
    if models[1].has("Save"):
        _check_checkpoints(models[1], framework, features, second)


def _check_checkpoints(model: Plugin, framework: Framework, features: Features, expected: Prediction) -> None:
    restore = getattr(model.module, "Restore", None)
    if not callable(restore):
        raise AssertionError("the module of a model with Save has Restore(folder, facts, trust)")
    for column, cost in enumerate(framework.costs):
        with tempfile.TemporaryDirectory(dir=framework.folder) as folder:
            facts = model.call("Save", cost=cost, folder=Path(folder))
            _expect(isinstance(facts, Mapping), f"Save gives facts for JSON, got {type(facts).__name__}")
            facts = json.loads(json.dumps(dict(facts), allow_nan=False))
            found = restore(Path(folder), facts, False).Predict(features)
        _expect(found.mean.shape == (len(features), 1), f"a restored cost has shape (n, 1), got {found.mean.shape}")
        for part in PARTS:
            now, then = getattr(found, part)[:, 0], getattr(expected, part)[:, column]
            _expect(np.allclose(now, then, rtol=1e-9, equal_nan=True), f"a restored cost predicts as before: {part}")


def check_explorer(make: Make, framework: Framework) -> None:
    """Run gives an Advice or None, before there is a model as well; proposed points are valid.

    ``Answer``, where there is one, gives an Answer of valid points or None; ``Target`` values of knobs.
    """
    explorer = make()
    advice = explorer.call(
        "Run",
        step=0,
        count=4,
        report=None,
        target_error=None,
        model=None,
        known=np.empty(0, dtype=np.int64),
        table=_empty_table(framework),
    )
    _expect(advice is None or isinstance(advice, Advice), f"Run gives an Advice or None, got {type(advice).__name__}")
    if advice is not None and advice.points is not None:
        _expect(framework.space.valid(advice.points.levels).all(), "proposed points lie in the design space")
    if explorer.has("Answer"):
        known = np.empty(0, dtype=np.int64)
        answer = explorer.call("Answer", model=None, table=_empty_table(framework), known=known)
        what = f"Answer gives an Answer or None, got {type(answer).__name__}"
        _expect(answer is None or isinstance(answer, Answer), what)
        if answer is not None:
            _expect(framework.space.valid(answer.points.levels).all(), "recommended points lie in the design space")
    if explorer.has("Target"):
        parameters = {parameter.name: parameter for parameter in framework.space.parameters}
        for knob, value in dict(explorer.call("Target") or {}).items():
            found = knob in parameters and parameters[knob].level_of(value) is not None
            _expect(found, f"Target gives values of knobs, got {knob} = {value!r}")


CHECKS: Mapping[str, Callable[[Make, Framework], None]] = {
    "sampler": check_sampler,
    "evaluator": check_evaluator,
    "extractor": check_extractor,
    "model": check_model,
    "explorer": check_explorer,
}


def with_options(framework: Framework, **options: object) -> Framework:
    """The same handle with these plugin options, as if they stood in the configuration."""
    section = framework.section.model_copy(update={"options": {**framework.section.options, **options}})
    return replace(framework, section=section)
