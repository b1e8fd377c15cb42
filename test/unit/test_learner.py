"""How a model is measured on points that it had not seen."""

from __future__ import annotations

from typing import Any

import numpy as np

from deffe.learn.learner import MOST_CHECKED, Learner
from deffe.learn.splits import DrawnSplit
from deffe.operate.judged import MOST_KEPT
from deffe.records import Levels, Prediction
from deffe.space import DesignSpace, Parameter
from deffe.space.derived_costs import DerivedCosts
from deffe.tables.columns import id_texts

SPACE = DesignSpace((Parameter("a", tuple(range(1, 301))), Parameter("b", tuple(range(100)))))


class RightAtFirst:
    """Stands for a model that knows the first third of the space, and is wrong by 100 % elsewhere."""

    name = "right_at_first"

    def ask(self, method: str, levels: Levels, **_: object) -> Prediction:
        assert method == "Predict"
        mean = np.where(levels[:, [0]] < 100, 1.0, 2.0) * (levels[:, [0]] + 1)
        return Prediction(mean, np.zeros_like(mean))


def test_the_error_on_many_points_is_that_of_all_of_them_and_not_of_the_first() -> None:
    model: Any = RightAtFirst()
    learner = Learner(model, SPACE, ["time"], ["time"], DerivedCosts(["time"], {}), DrawnSplit(1.0, 0.0, 0))
    levels = SPACE.points(range(SPACE.size))
    levels = levels[np.argsort(levels[:, 0], kind="stable")]
    assert len(levels) == 3 * MOST_CHECKED
    costs, ids = levels[:, [0]] + 1.0, SPACE.ids(levels)
    reports, judged = learner.compare("all", levels, costs, ids)
    assert (reports[0].cost, reports[0].points) == ("time", MOST_CHECKED)
    assert abs(reports[0].mape - 100 * 2 / 3) < 2
    again, _ = learner.compare("all", levels, costs)
    assert again == reports
    value = dict(zip(id_texts(ids), costs[:, 0].tolist(), strict=True))
    assert len(judged[0].ids) == MOST_KEPT
    assert [value[one] for one in judged[0].ids] == [*judged[0].actual], "ids belong to their costs"
    few, _ = learner.compare("few", levels[:300], costs[:300])
    assert few[0].points == 300
