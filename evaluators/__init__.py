"""Evaluators: what a batch of design points becomes when it is run."""

OLD_NAMES: dict[str, str] = {"_evaluate": "script", "deffe_evaluate": "script"}
