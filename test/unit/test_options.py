"""Options of plugins, from JSON, argument strings and the command line."""

from __future__ import annotations

import pytest
from pydantic import Field

from deffe.errors import ConfigError
from deffe.options import Options, read_arguments, read_options, split_arguments


class Forest(Options):
    trees: int = Field(default=200, ge=1, alias="rf_n_estimators")
    loss: str = "mse"
    totals: tuple[int, ...] = ()
    verbose: bool = False
    shift: float = 0.0


def read(arguments: str = "", options: dict[str, object] | None = None, **overrides: object) -> Forest:
    return read_options(
        Forest, source="x.json", place="model", arguments=arguments, options=options or {}, overrides=overrides
    )


def test_argument_strings_are_read_by_name_alias_and_spelling() -> None:
    found = read("-rf_n_estimators 7 --loss 'a b' -totals 1 2 3 -verbose -shift -2.5")
    assert found == Forest(rf_n_estimators=7, loss="a b", totals=(1, 2, 3), verbose=True, shift=-2.5)


def test_the_command_line_wins_over_options_and_they_over_arguments() -> None:
    assert read("-loss a -trees 5", {"loss": "b", "trees": 6}, loss="c") == Forest(loss="c", trees=6)


def test_a_command_line_option_of_another_plugin_is_not_taken() -> None:
    assert read("", None, epochs=100) == Forest()


def test_all_unknown_options_are_reported_with_the_nearest() -> None:
    with pytest.raises(ConfigError) as caught:
        read("", {"tree": 1, "lost": 2})
    assert [fault.place for fault in caught.value.faults] == ["model.options.tree", "model.options.lost"]
    assert "'trees'" in str(caught.value)
    assert "'loss'" in str(caught.value)


def test_all_unsuitable_values_are_reported_with_their_place() -> None:
    with pytest.raises(ConfigError) as caught:
        read("", {"trees": 0, "shift": "far"})
    assert {fault.place for fault in caught.value.faults} == {"model.options.trees", "model.options.shift"}


@pytest.mark.parametrize("text", ["-unknown 1", "5 -loss a", "-loss a b", "-loss 'open"])
def test_wrong_argument_strings_are_errors(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(text)
    assert caught.value.faults[0].place == "model.arguments"


def test_splitting_leaves_the_words_of_others() -> None:
    class Mine(Options):
        fixed_samples: int | None = None

    taken, others = split_arguments("-method lhs -fixed-samples 4 -custom 1 -2", Mine)
    assert taken == {"fixed_samples": "4"}
    assert others == ["-method", "lhs", "-custom", "1", "-2"]


def test_a_switch_needs_no_value() -> None:
    assert read_arguments(Forest, "-verbose") == {"verbose": True}
