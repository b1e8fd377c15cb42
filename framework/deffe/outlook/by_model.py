"""What points that were not evaluated may still bring, by the model's distribution of their costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from deffe.config import Config, Objective
from deffe.errors import counted
from deffe.learn.errors_seen import Errors, ErrorScale, Vector
from deffe.learn.learner import Learner
from deffe.operate.notes import VOLUME
from deffe.outlook.counting import ALL, Counting
from deffe.outlook.forecast import Confidence, Forecast
from deffe.outlook.merit import Box, reference
from deffe.outlook.neighbours import Surroundings
from deffe.outlook.random_search import best_of_random, volume_of_random
from deffe.records import TAILS_90, Levels, ModelReport, Prediction, State
from deffe.space import DesignSpace
from deffe.space.proposals import few_left, random_points
from deffe.store import ExplorationHistory

Matrix = NDArray[np.float64]
WITHIN = 1.0
"""Percent of the best that the confidence is about."""
FURTHER = 100
"""Evaluations that are forecast."""
LEAST_POINTS = 20
USEFUL_RANK = 0.3
"""Rank correlation of predictions with what came of them, above which a model is of use, whatever its R2."""
POOL = 20_000
"""Points that a rule predicts at each step at most."""
KEPT = 1_000
"""Promising points, and points drawn at random, that are kept of all that are predicted."""
PROMISING = 0.5
"""Share of the evaluated points, those predicted to be best, whose errors tell those of promising points."""
DRAWS = 512
DRAWS_OF_FRONTS = 128
MOST_POINTS = 1_000_000
"""Points that are looked at, at most."""
MOST_LEFT = 10**15
LEAST_CHANCE = 1e-5
FEW = 64
"""Points, and draws of each, by which the gain of a hypervolume is estimated."""


@dataclass(frozen=True)
class KnownObjective:
    """What is known of one objective.

    Args:
        column: among the costs of the history.
        scaled: (n,) values of the points that are done, on the scale.
    """

    objective: Objective
    column: int
    scale: ErrorScale
    scaled: Vector
    errors: Errors

    @property
    def best(self) -> float:
        return float(self.scale.values(self.scaled.min(keepdims=True))[0])


@dataclass
class Candidates:
    """Predicted points: (n, k) means on the scales, deviations towards better and worse, and what is around them.

    Args:
        chance: (n,) that a point does not fail.
        cell: (n,) the evaluated point that is nearest.
        score: (n,) the higher the more promising.
        lot: (n,) drawn at random.
    """

    mean: Matrix
    better: Matrix
    worse: Matrix
    chance: Vector
    cell: NDArray[np.int64]
    score: Vector
    lot: Vector

    def take(self, rows: NDArray[np.generic]) -> Candidates:
        """Those at some rows."""
        return Candidates(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))

    def joined(self, other: Candidates | None) -> Candidates:
        """These and others."""
        if other is None:
            return self
        names = self.__dataclass_fields__
        return Candidates(*(np.concatenate([getattr(self, name), getattr(other, name)]) for name in names))

    def at(self, z: Matrix) -> Matrix:
        """Values on the scales at (..., n, k) deviations from the mean."""
        return np.asarray(self.mean + z * np.where(z < 0, self.better, self.worse))


class Outlook:
    """Takes predictions of points that were not evaluated, in pieces, and says what they may bring.

    Args:
        whole: all points that were not evaluated are added, not only a sample of them.
        counting: the points that may be the best; others are left out, also of the history.
    """

    def __init__(
        self,
        space: DesignSpace,
        all_costs: Sequence[str],
        objectives: Sequence[Objective],
        history: ExplorationHistory,
        learner: Learner,
        whole: bool,
        rng: np.random.Generator,
        counting: Counting = ALL,
    ) -> None:
        self._counting, history = counting, history.take(counting.of(history.levels))
        self._space, self._costs, self._whole, self._rng = space, tuple(learner.costs), whole, rng
        ended = history.states >= State.DONE
        self._done = (history.states == State.DONE)[ended]
        self.silent = _mute(objectives, learner, int(self._done.sum()), counting)
        self._top: Candidates | None = None
        self._random: Candidates | None = None
        self._added = 0
        if self.silent:
            return
        self._objectives = [_known_of(o, list(all_costs).index(o.cost), history, learner) for o in objectives]
        self._around = Surroundings(space, history.levels[ended], self._done)
        self._known = np.stack([known.scaled for known in self._objectives], axis=1)
        self._cells = np.zeros((len(self._done), len(objectives)))

    @classmethod
    def of_sample(
        cls,
        space: DesignSpace,
        config: Config,
        objectives: Sequence[Objective],
        history: ExplorationHistory,
        learner: Learner,
        rng: np.random.Generator,
        counting: Counting = ALL,
    ) -> Outlook:
        """What all points that were not evaluated may bring, or a sample of them where there are many."""
        known = np.sort(history.ids)
        whole = few_left(space, len(known), POOL)
        made = cls(space, config.all_costs, objectives, history, learner, whole, rng, counting)
        if not made.silent:
            pool = random_points(space, POOL, known, rng)
            made.add(pool, learner.Predict(pool))
        return made

    def add(self, levels: Levels, prediction: Prediction) -> None:
        """Take (n, p) points with their predictions into account; those beyond the first million are left out."""
        counts = np.flatnonzero(self._counting.of(levels))
        levels, prediction = levels[counts], prediction.take(counts)
        if self.silent or not len(levels):
            return
        self._whole = self._whole and self._added + len(levels) <= MOST_POINTS
        if self._added >= MOST_POINTS:
            return
        self._added += len(levels)
        points, likely = self._promising(levels, prediction)
        for i in range(len(self._objectives)):
            np.maximum.at(self._cells[:, i], points.cell, likely[:, i] * points.chance)
        top = points.joined(self._top)
        self._top = top.take(np.argsort(-top.score * top.chance if len(self._objectives) > 1 else -top.score)[:KEPT])
        some = points.joined(self._random)
        self._random = some.take(np.argsort(some.lot)[:KEPT])

    def _promising(self, levels: Levels, prediction: Prediction) -> tuple[Candidates, Matrix]:
        """The points worth a closer look, and those drawn at random; and how likely each beats each best."""
        mean, better, worse = self._scaled(prediction)
        likely = np.stack([self._beats(i, mean[:, i], better[:, i], worse[:, i]) for i in range(mean.shape[1])], axis=1)
        hopes, lot = mean - better, self._rng.random(len(mean))
        score = -hopes[:, 0] if len(self._objectives) == 1 else self._gains(hopes)
        wanted = [
            np.argsort(-score)[:KEPT],
            np.argsort(lot)[:KEPT],
            np.flatnonzero((likely > LEAST_CHANCE).any(axis=1)),
        ]
        rows = np.unique(np.concatenate(wanted))
        features = self._space.features(levels[rows])
        around = (self._around.chance(features), self._around.near(features)[:, 0], score[rows], lot[rows])
        return Candidates(mean[rows], better[rows], worse[rows], *around), likely[rows]

    def _scaled(self, prediction: Prediction) -> tuple[Matrix, Matrix, Matrix]:
        parts = []
        for known in self._objectives:
            column = self._costs.index(known.objective.cost)
            bounds = (prediction.mean[:, column], prediction.lower[:, column], prediction.upper[:, column])
            parts.append(known.scale.bounds(*bounds))
        mean, better, worse = (np.stack(part, axis=1) for part in zip(*parts, strict=True))
        return mean, better, worse

    def _beats(self, objective: int, mean: Vector, better: Vector, worse: Vector) -> Vector:
        """(n,) probability that a point is better than the best by more than ``WITHIN`` percent."""
        known = self._objectives[objective]
        room = known.scale.better(known.best, WITHIN) - mean
        deviation = np.where(room < 0, better, worse)
        z = np.divide(room, deviation, out=np.where(room > 0, np.inf, -np.inf), where=deviation > 0)
        return known.errors.below(z)

    def _gains(self, costs: Matrix) -> Vector:
        """What each of (n, k) points would add to the hypervolume, in percent of it."""
        box, now = self._box(costs)
        left, found = box.samples[~now], np.zeros(len(costs))
        for start in range(0, len(costs) if len(left) else 0, 1000):
            part = costs[start : start + 1000]
            found[start : start + 1000] = np.all(part[:, None, :] <= left[None, :, :], axis=2).sum(axis=1)
        return 100 * found / max(int(now.sum()), 1)

    def _box(self, costs: Matrix) -> tuple[Box, NDArray[np.bool_]]:
        """A box that holds what (n, k) costs may add to the hypervolume, and which of its samples count already."""
        ideal = np.minimum(costs.min(axis=0, initial=np.inf), self._known.min(axis=0))
        box = Box.between(ideal, reference(self._known), 1024)
        return box, box.dominated(self._known)

    def gain(self) -> float | None:
        """Percent by which the most promising point is expected to improve the best, or the hypervolume."""
        if self.silent or self._top is None:
            return None
        if len(self._objectives) > 1:
            return self._gain_of_volume(self._top.take(np.arange(min(len(self._top.score), FEW))))
        return self._gain_of_best(self._top)

    def _gain_of_best(self, points: Candidates) -> float | None:
        known = self._objectives[0]
        if not known.best:
            return None  # of a best of 0 there are no percentages
        z = known.errors.quantiles(3 if len(known.errors.z) > 1 else 101)
        bound = self._bounds(DRAWS).mean()
        values = known.scale.values(np.maximum(points.at(z[:, None, None])[:, :, 0], bound))
        better = np.maximum(known.scale.sign * (known.best - values), 0).mean(axis=0)
        return float(100 * np.max(better * points.chance) / abs(known.best))

    def _gain_of_volume(self, points: Candidates) -> float:
        draws = np.maximum(points.at(self._errors((FEW, len(points.score)))), self._bounds(DRAWS).mean(axis=0))
        gains = self._gains(draws.reshape(-1, draws.shape[2])).reshape(draws.shape[:2])
        return float(np.max(gains.mean(axis=0) * points.chance))

    def _errors(self, shape: tuple[int, ...]) -> Matrix:
        """Errors of that shape, for each objective."""
        return np.stack([known.errors.draw(shape, self._rng) for known in self._objectives], axis=-1)

    def confidence(self) -> tuple[Confidence, ...]:
        """How sure each objective's best is within ``WITHIN`` percent of the best there is; none by a sample.

        Points nearest to the same evaluated point are taken to err together, others independently of each other.
        """
        if self.silent or not self._whole:
            return ()
        shares = np.prod(1 - self._cells, axis=0)
        found = zip(self._objectives, shares, strict=True)
        return tuple(Confidence(known.objective.cost, WITHIN, float(share)) for known, share in found)

    def forecast(self, guided: bool, count: int = FURTHER) -> Forecast:
        """What ``count`` further evaluations are expected to bring.

        Args:
            guided: the model chooses them; else they are drawn at random.
        """
        if self.silent:
            return Forecast(silent=self.silent)
        source = self._top if guided else self._random
        if source is None:
            return Forecast(confidence=self.confidence(), silent="every point there is has been evaluated")
        points = source.take(np.arange(min(count, len(source.score))))
        values = self._futures(points, guided)
        low, high = np.percentile(values, TAILS_90)
        gain, known, one = self.gain(), self._objectives[0], len(self._objectives) == 1
        return Forecast(
            evaluations=len(points.score),
            what=known.objective.cost if one else VOLUME,
            now=known.best if one else 100.0,
            expected=float(values.mean()),
            low=float(low),
            high=float(high),
            gain=float("nan") if gain is None else gain,
            guided=guided,
            confidence=self.confidence(),
            silent="" if self._whole else "only a sample of the other points was predicted",
        )

    def _futures(self, points: Candidates, guided: bool) -> Vector:
        """The best value, or the hypervolume in percent of what it is now, after each of a number of draws."""
        many, count = len(self._objectives) > 1, len(points.score)
        if many and not guided:
            return 100 + volume_of_random(self._known, len(self._done), count, self._rng, DRAWS)
        if many:
            return self._volumes(self._draws(points, DRAWS_OF_FRONTS))
        known = self._objectives[0]
        if not guided:
            best = best_of_random(known.scaled, len(self._done), count, self._rng, DRAWS)
        else:
            best = np.minimum(self._draws(points, DRAWS)[:, :, 0].min(axis=1), known.scaled.min())
        return known.scale.values(best)

    def _draws(self, points: Candidates, count: int) -> Matrix:
        """(count, n, k) costs on the scales, points of one cell erring together; infinite for points that fail."""
        cells, place = np.unique(points.cell, return_inverse=True)
        draws = np.maximum(points.at(self._errors((count, len(cells)))[:, place]), self._bounds(count)[:, None, :])
        draws[self._rng.random((count, len(points.score))) >= points.chance] = np.inf
        return draws

    def _bounds(self, count: int) -> Matrix:
        """(count, k) draws of the best there can be of each objective, by all points that are left."""
        ended, left = len(self._done), min(max(self._added, self._space.size - len(self._done)), MOST_LEFT)
        return np.stack([best_of_random(j.scaled, ended, left, self._rng, count) for j in self._objectives], axis=1)

    def _volumes(self, draws: Matrix) -> Vector:
        flat = draws.reshape(-1, draws.shape[2])
        box, now = self._box(flat[np.isfinite(flat).all(axis=1)])
        left = replace(box, samples=box.samples[~now])
        more = [left.dominated(costs[np.isfinite(costs[:, 0])]).sum() for costs in draws]
        return np.asarray(100 * (1 + np.array(more) / max(int(now.sum()), 1)))


def _mute(objectives: Sequence[Objective], learner: Learner, done: int, counting: Counting) -> str:
    """Why nothing can be said, by the number of points that are done and count; empty if something can."""
    if done < LEAST_POINTS:
        that = " that count" if counting.columns else ""
        singular = that and f"{that}s"
        return (
            f"{counted(done, f'point{singular} is', f'points{that} are')} done, and at least {LEAST_POINTS} are needed"
        )
    reports = {report.cost: report for report in learner.report.costs} if learner.report else {}
    exact = set(learner.costs) - set(learner.learned)
    absent = [o.cost for o in objectives if o.cost not in reports and o.cost not in exact]
    if absent:
        return f"the model does not tell its error for {', '.join(absent)}"
    found = [reports[o.cost] for o in objectives if o.cost in reports]
    useless = [report.cost for report in found if not (report.r2 > 0 or report.rank > USEFUL_RANK)]
    return f"the model is useless for {', '.join(useless)}" if useless else ""


def _known_of(objective: Objective, column: int, history: ExplorationHistory, learner: Learner) -> KnownObjective:
    done = history.states == State.DONE
    values = history.costs[done, column]
    scale = ErrorScale.of(objective.goal, values)
    actual = scale.of_values(values)
    errors = _errors(objective.cost, scale, dict(zip(history.ids[done].tolist(), actual, strict=True)), learner)
    return KnownObjective(objective, column, scale, actual, errors)


def _errors(cost: str, scale: ErrorScale, actual: dict[int, float], learner: Learner) -> Errors:
    """Errors of the promising ones among the points that the model had not seen when it predicted them."""
    report: ModelReport | None = learner.report
    unseen = report.unseen.get(cost) if report else None
    if unseen is None or len(unseen.rows) < LEAST_POINTS:
        return Errors.normal()
    mean, better, worse = scale.bounds(unseen.mean, unseen.lower, unseen.upper)
    found = np.array([actual[number] for number in learner.trained[unseen.rows].tolist()])
    count = max(LEAST_POINTS, round(PROMISING * len(mean)))
    best = np.argsort(mean - better, kind="stable")[:count]
    apart = found[best] - mean[best]
    deviation = np.where(apart < 0, better[best], worse[best])
    return Errors.of(apart[deviation > 0] / deviation[deviation > 0]) if (deviation > 0).sum() > 1 else Errors.normal()
