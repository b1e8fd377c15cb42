"""What a run was to make small or large, as its stored configuration says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from deffe.errors import StoreError

if TYPE_CHECKING:
    from deffe.config.configuration import Objective
    from deffe.store import Store


def configuration_of(store: Store) -> Any:
    """The last configuration of a run, as a tree of JSON; StoreError where it has none."""
    from deffe.config.text import parse

    configurations = store.configurations()
    if not configurations:
        raise StoreError(f"the run in {store.folder} has stored no configuration", "use its CSV tables instead")
    return parse(configurations[-1][2], "")


def objectives_in(store: Store, tree: Any) -> tuple[Objective, ...]:
    """The objectives of a stored configuration; StoreError where it cannot be read any more."""
    from deffe.config.configuration import objectives_of
    from deffe.config.read import read_file
    from deffe.config.text import Faults

    file = read_file(tree, Faults(tree, []))
    if file is None or not file.costs:
        raise StoreError(
            f"the configuration of the run in {store.folder} is one of another version", "use its CSV tables instead"
        )
    return objectives_of(file)
