"""deffe: data-efficient design space exploration."""

from pathlib import Path

__version__ = "5.0.0"

_CHECKOUT = Path(__file__).resolve().parents[2]
if (_CHECKOUT / "framework" / "run_deffe.py").is_file():
    # In a checkout the plugin packages stand beside framework/, so deffe.samplers is samplers/ there.
    __path__.append(str(_CHECKOUT))
