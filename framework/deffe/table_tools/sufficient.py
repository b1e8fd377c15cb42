"""Just sufficient: of the rows that are good enough, the cheapest."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from deffe.errors import counted
from deffe.table_tools.formulas import holds
from deffe.table_tools.grammar import column_names, parted, refused
from deffe.table_tools.table import Table

FORM = '"cycles <= 2e6 with min area", or "... with min area per app" for the best of each group'


def just_sufficient(table: Table, text: str, say: Callable[[str], None]) -> Table:
    """Keep the rows with the least (or largest) value of a column among those where a condition holds.

    Rows that are equal in it are all kept. Groups in which no row is good enough are told.

    Raises:
        UsageError: not of the form.
        TableError: a column is not there, or not of numbers.
    """
    try:
        parts = parted(text, ("with", "per"))
    except ValueError as error:
        raise refused("just-sufficient", text, error, FORM) from error
    wanted = parts.get("with", "").split(None, 1)
    names = column_names(wanted[1]) if len(wanted) == 2 else []
    per = column_names(parts.get("per", ""))
    if (
        not parts[""]
        or not wanted
        or wanted[0] not in ("min", "max")
        or len(names) != 1
        or ("per" in parts and not per)
    ):
        raise refused("just-sufficient", text, "it is no condition, 'with', min or max, and a column", FORM)
    values = table.numbers(names[0], "-just-sufficient") * (1.0 if wanted[0] == "min" else -1.0)
    enough = holds(table, "just-sufficient", parts[""], FORM) & ~np.isnan(values)
    groups = table.groups(per, "-just-sufficient")
    best = np.full(int(groups.max(initial=-1)) + 1, np.inf)
    np.minimum.at(best, groups[enough], values[enough])
    kept = table.take(enough & (values == best[groups]))
    say(f"-just-sufficient: {len(kept):,} of {counted(int(enough.sum()), 'row')} where {parts['']}")
    if per:
        for group in np.setdiff1d(groups, groups[enough]).tolist()[:10]:
            say(f"-just-sufficient: no row of {table.described(int((groups == group).argmax()), per)} is good enough")
    return kept
