"""From rules on columns of levels to independent parts that can be counted, or filtered where they cannot."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deffe.records import Levels
from deffe.space.components import Branch, Mask, Part, Product, Star

MOST_CELLS = 4_000_000
"""A table of valid combinations has at most this many cells (16 MB)."""
MOST_TESTED = 2**24
"""At most this many combinations are tested to make one table."""
MOST_TESTED_POINTWISE = 200_000
MOST_DRAWN = 2**21
"""After this many random combinations without a valid one, a space counts as empty."""
_FEW_CELLS = 2**17
_BLOCK = 2**16
_MOST_HUBS = 6


@dataclass(frozen=True, eq=False)
class Rule:
    """A condition on some columns of the levels.

    Args:
        columns: the columns it depends on.
        text: how it is shown to people.
        mask: {column: (n,) levels} to (n,) bool.
        pointwise: whether it is slow, because it calls Python once a point.
    """

    columns: frozenset[int]
    text: str
    mask: Callable[[Mapping[int, NDArray[np.int32]]], Mask]
    pointwise: bool = False


class EmptyError(Exception):
    """No combination is valid; ``rule`` is the one that leaves none."""

    def __init__(self, rule: Rule) -> None:
        super().__init__(rule.text)
        self.rule = rule


def holds(rules: Iterable[Rule], columns: Sequence[int], levels: Levels) -> Mask:
    """(n,) bool: where (n, q) levels of these columns meet all rules."""
    by_column = {column: levels[:, i] for i, column in enumerate(columns)}
    result = np.ones(len(levels), dtype=np.bool_)
    for rule in rules:
        result &= rule.mask(by_column)
    return result


def assemble(counts: Sequence[int], rules: Sequence[Rule]) -> tuple[list[Part | Star], list[Filtered]]:
    """Split columns into independent parts, so that a valid point is one combination of each.

    Columns that rules connect become one table where that is small enough, else a star around the columns that most
    rules share. What is left over filters the product of the parts it spans.

    Args:
        counts: number of levels of each column.
        rules: the rules that all points must meet.
    Raises:
        EmptyError: for a space without a valid point, or with so few that none was met by chance.
    """
    parts: list[Part | Star] = []
    left: list[Rule] = []
    for columns, members in _connected(range(len(counts)), rules):
        for cells in (min(_FEW_CELLS, MOST_CELLS), MOST_CELLS):
            split = _split(_Limit(counts, cells), columns, members)
            if not split[1]:
                break
        parts += split[0]
        left += split[1]
    return _filter(parts, left)


@dataclass(frozen=True)
class _Limit:
    """Number of levels of each column, and how large a table may get."""

    counts: Sequence[int]
    cells: int

    def width(self, rule: Rule) -> int:
        """Number of combinations of the columns of a rule."""
        return math.prod(self.counts[column] for column in rule.columns)

    def forbids(self, size: int, rules: Iterable[Rule]) -> bool:
        """Whether this many combinations are too many to test."""
        return size > (MOST_TESTED_POINTWISE if any(rule.pointwise for rule in rules) else
                       min(MOST_TESTED, 4 * self.cells))  # fmt: skip


def _split(limit: _Limit, columns: Iterable[int], rules: Sequence[Rule]
           ) -> tuple[Sequence[Part | Star], Sequence[Rule]]:  # fmt: skip
    """Parts of connected columns, as tables or else as stars, and the rules that they do not meet."""
    tables, left = _tables(limit, columns, rules)
    stars = _stars(limit, columns, rules, left) if left else None
    return stars or (tables, left)


def _connected(columns: Iterable[int], rules: Iterable[Rule]) -> list[tuple[frozenset[int], list[Rule]]]:
    """Groups of columns that rules connect, with their rules; rules count by those of their columns that are given."""
    groups: list[tuple[frozenset[int], list[Rule]]] = [(frozenset([column]), []) for column in sorted(columns)]
    for rule in rules:
        touched = [group for group in groups if group[0] & rule.columns]
        if touched:
            groups = [group for group in groups if not group[0] & rule.columns]
            members = [member for group in touched for member in group[1]]
            groups.append((frozenset().union(*(group[0] for group in touched)), [*members, rule]))
    return groups


def _tables(limit: _Limit, columns: Iterable[int], rules: Sequence[Rule]) -> tuple[list[Part], list[Rule]]:
    """Join columns into tables that meet the rules, the narrowest first; also the rules that were too wide."""
    owner = {column: Part((column,), (limit.counts[column],)) for column in sorted(columns)}
    narrowest_first = sorted(rules, key=lambda rule: (rule.pointwise, limit.width(rule)))
    waiting: dict[Rule, float] = dict.fromkeys(narrowest_first, math.inf)
    progress = True
    while progress:  # a rule that was too wide may fit once others have thinned out its parts
        progress = False
        for rule, failed_at in list(waiting.items()):
            spanned = Product(dict.fromkeys(owner[column] for column in rule.columns))
            if spanned.size >= failed_at:
                continue
            if (joined := _join(limit, spanned, [rule])) is None:
                waiting[rule] = spanned.size
            else:
                owner.update(dict.fromkeys(joined.columns, joined))
                del waiting[rule]
                progress = True
    return [part.in_order() for part in dict.fromkeys(owner.values())], list(waiting)


def _join(limit: _Limit, spanned: Product, rules: Sequence[Rule]) -> Part | None:
    """One table of the combinations that meet the rules; None when it would be too large."""
    if limit.forbids(spanned.size, rules):
        return None
    blocks, cells = [], 0
    for first in range(0, spanned.size, _BLOCK):
        block = spanned.points(np.arange(first, min(first + _BLOCK, spanned.size)))
        block = block[holds(rules, spanned.columns, block)]
        blocks.append(block)
        cells += block.size
        if cells > limit.cells:
            return None
    if not cells:
        raise EmptyError(rules[0])
    return Part(spanned.columns, spanned.counts, np.concatenate(blocks))


def _stars(limit: _Limit, columns: Iterable[int], rules: Sequence[Rule], wide: Sequence[Rule]
           ) -> tuple[list[Part | Star], list[Rule]] | None:  # fmt: skip
    """Parts of connected columns as stars; rules too wide for any table are handed back. None where there is none."""
    hopeless = [rule for rule in wide if rule.pointwise or limit.width(rule) > MOST_TESTED]
    parts: list[Part | Star] = []
    for group, members in _connected(columns, [rule for rule in rules if rule not in hopeless]):
        tables, left = _tables(limit, group, members)
        star = _star(limit, group, members) if left else None
        if left and star is None:
            return None
        parts += tables if star is None else [star]
    return parts, hopeless


def _star(limit: _Limit, columns: frozenset[int], rules: Sequence[Rule]) -> Star | None:
    """A star around as few hubs as make all branches small, hubs taken by the number of rules they are in."""
    hubs: frozenset[int] = frozenset()
    stuck = columns
    while len(hubs) < _MOST_HUBS:
        degrees = {column: sum(column in rule.columns for rule in rules) for column in sorted(stuck - hubs)}
        hub = max(degrees, key=lambda column: degrees[column])
        if degrees[hub] < 2:
            return None
        hubs |= {hub}
        inner = [rule for rule in rules if rule.columns <= hubs]
        root = _join(limit, Product(Part((column,), (limit.counts[column],)) for column in hubs), inner)
        if root is None:
            return None
        built = _branches(limit, columns - hubs, [rule for rule in rules if rule not in inner], root)
        if not isinstance(built, frozenset):
            star = Star(root, built)
            if not star.size:
                raise EmptyError(min(rules, key=lambda rule: admitted(limit.counts, rule)))
            return star
        stuck = built
    return None


def _branches(limit: _Limit, columns: Iterable[int], rules: Sequence[Rule], root: Part
              ) -> list[Branch] | frozenset[int]:  # fmt: skip
    """The branches of a root, or else the columns of the first that is too large."""
    branches = []
    for own, members in _connected(columns, rules):
        bound = own.union(*(rule.columns for rule in members))
        tables, left = _tables(limit, bound, members)
        if left:
            return own
        branches.append(Branch(tables[0], sorted(bound - own), root))
    return branches


class Filtered:
    """A product that is too large to enumerate, of which only the combinations that meet all rules count.

    Drawing from the product and keeping what is valid is uniform over the valid ones.

    Raises:
        EmptyError: no valid combination among the first draws.
    """

    def __init__(self, product: Product, rules: Sequence[Rule]) -> None:
        self.product = product
        self.rules = rules
        self.columns = product.columns
        self.share = self._estimate()

    @property
    def size(self) -> int:
        """The estimated number of valid combinations."""
        numerator, denominator = self.share.as_integer_ratio()
        return max(1, self.product.size * numerator // denominator)

    def draw(self, n: int, rng: np.random.Generator) -> Levels:
        """(n, q) valid levels drawn uniformly with replacement."""
        blocks, missing = [np.empty((0, len(self.columns)), dtype=np.int32)], n
        while missing > 0:
            tries = int(min(_BLOCK, max(64, 1.1 * missing / self.share)))
            proposed = self.product.draw(tries, rng)
            blocks.append(proposed[holds(self.rules, self.columns, proposed)][:missing])
            missing -= len(blocks[-1])
        return np.concatenate(blocks)

    def _estimate(self) -> float:
        """The share of valid combinations, from a fixed stream of draws."""
        pointwise = any(rule.pointwise for rule in self.rules)
        most, enough, block = (20_000, 200, 1_000) if pointwise else (MOST_DRAWN, 10_000, _BLOCK)
        rng, drawn, valid = np.random.default_rng(0), 0, 0
        while drawn < most and valid < enough:
            valid += int(holds(self.rules, self.columns, self.product.draw(block, rng)).sum())
            drawn += block
        if not valid:
            sample = self.product.draw(block, rng)
            raise EmptyError(min(self.rules, key=lambda rule: float(holds([rule], self.columns, sample).mean())))
        return valid / drawn


def _filter(parts: Sequence[Part | Star], rules: Sequence[Rule]) -> tuple[list[Part | Star], list[Filtered]]:
    """Group the parts that the remaining rules connect; each group is filtered by itself."""
    owner = {column: part for part in parts for column in part.columns}
    free: list[Part | Star] = []
    filtered: list[Filtered] = []
    spans = [Rule(frozenset(column for part in parts if rule.columns & set(part.columns) for column in part.columns),
                  rule.text, rule.mask, rule.pointwise) for rule in rules]  # fmt: skip
    for columns, members in _connected(owner, spans):
        product = Product(dict.fromkeys(owner[column] for column in sorted(columns)))
        if members:
            filtered.append(Filtered(product, members))
        elif product.parts[0] not in free:
            free.append(product.parts[0])
    return free, filtered


def admitted(counts: Sequence[int], rule: Rule) -> float:
    """The share of the combinations of its columns that a rule admits, from all of them or a fixed random choice."""
    product, most = Product(Part((column,), (counts[column],)) for column in rule.columns), 100_000
    if rule.pointwise:
        most = 2_000
    every = product.size <= most
    levels = product.points(np.arange(product.size)) if every else product.draw(most, np.random.default_rng(0))
    return float(holds([rule], product.columns, levels).mean())
