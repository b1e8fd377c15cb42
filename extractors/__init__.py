"""Extractors: what a trial left in its run directory becomes its costs."""

OLD_NAMES: dict[str, str] = {"_extract": "results"}
