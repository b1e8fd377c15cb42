"""Samplers: which design points are evaluated. A module here without a leading underscore is one sampler."""

from __future__ import annotations

OLD_NAMES: dict[str, tuple[str, dict[str, object]]] = {
    "_sampling": ("random", {}),
    "factorial": ("full_factorial", {}),
    "frac_fact_res": ("fractional_factorial", {}),
    "central_composite_ccf": ("central_composite", {"face": "ccf"}),
    "central_composite_cci": ("central_composite", {"face": "cci"}),
    "central_composite_ccc": ("central_composite", {"face": "ccc"}),
    "lhs": ("latin_hypercube", {}),
    "space_filling_lhs": ("latin_hypercube", {"space_filling": True}),
    "onedim": ("one_dimensional", {}),
    "smart": ("random", {}),
    "uniform_random": ("random", {}),
    # these kept their names
    "random": ("random", {}),
    "onedim_with_smart": ("onedim_with_smart", {}),
    "plackett_burman": ("plackett_burman", {}),
    "box_behnken": ("box_behnken", {}),
    "random_k_means": ("random_k_means", {}),
    "maximin": ("maximin", {}),
    "halton": ("halton", {}),
}
"""A method's name in older configurations, with the sampler and the options it stands for."""
