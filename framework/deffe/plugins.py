"""Finds, loads and checks plugins: built-in ones, files beside the configuration, installed packages."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib
import importlib.util
import inspect
import pkgutil
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from deffe.api import Framework
from deffe.errors import ConfigError, DeffeError, Fault, PluginError, nearest
from deffe.options import tokens

ENTRY_POINTS = "deffe.plugins"
_OF_A_FILE = "deffe_plugin_"


@dataclass(frozen=True)
class Kind:
    """A kind of plugin: its package, and the arguments on offer to each of its methods.

    Args:
        optional: those methods that a plugin may do without.
    """

    name: str
    package: str
    methods: Mapping[str, frozenset[str]]
    optional: frozenset[str] = frozenset()


def _kind(name: str, optional: str = "", **methods: str) -> Kind:
    offered = {method: frozenset(arguments.split()) for method, arguments in methods.items()}
    return Kind(name, f"deffe.{name}s", {"Initialize": frozenset(), **offered}, frozenset(optional.split()))


KINDS: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (
        _kind("sampler", Run="step count known table"),
        _kind("evaluator", Run="batch executor table"),
        _kind("extractor", Run="trial executor"),
        _kind(
            "model",
            optional="Means Save Snapshots Load",
            Run="features costs levels step validation",
            Predict="features levels",
            Means="features levels costs",
            Save="cost folder",
            Snapshots="cost",
            Load="cost folder facts",
        ),
        _kind(
            "explorer",
            optional="Answer Target",
            Run="step count report target_error model known table",
            Answer="model table known",
            Target="",
        ),
    )
}


@dataclass(frozen=True)
class Plugin:
    """A loaded plugin; ``call`` hands each method those arguments it declares."""

    kind: Kind
    name: str
    instance: Any
    wanted: Mapping[str, frozenset[str]]
    module: ModuleType

    @property
    def file(self) -> str:
        """The name of a user's file; empty for a plugin that is built in or installed."""
        own = self.module.__name__.startswith(_OF_A_FILE)
        return Path(str(self.module.__file__)).name if own else ""

    def has(self, method: str) -> bool:
        """Whether the plugin has this optional method."""
        return method in self.wanted

    def call(self, method: str, **offered: object) -> Any:
        """Call ``method`` with the arguments it asks for; what is offered as ``Lazy`` is made only when wanted."""
        wanted = self.wanted[method]
        arguments = {name: value for name, value in offered.items() if name in wanted}
        return getattr(self.instance, method)(
            **{name: value.make() if isinstance(value, Lazy) else value for name, value in arguments.items()}
        )

    def ask(self, method: str, **offered: object) -> Any:
        """``call`` a method of a plugin that cannot be done without.

        Raises:
            PluginError: the method failed, in whatever way.
        """
        try:
            return self.call(method, **offered)
        except DeffeError:
            raise
        except (Exception, SystemExit) as error:
            raise PluginError(f"{self.kind.name} {self.name!r} failed in {method}: {_where(error)}") from error


@dataclass(frozen=True)
class Lazy:
    """An argument that costs something to make."""

    make: Callable[[], object]


def builtin_names(kind: Kind) -> list[str]:
    """Names of the plugins that come with deffe."""
    package = importlib.import_module(kind.package)
    return sorted(m.name for m in pkgutil.iter_modules(package.__path__) if not m.name.startswith("_"))


def resolve_name(kind: Kind, name: str) -> tuple[str, dict[str, object]]:
    """A plugin's present name, and the options that an older name stands for."""
    old: Mapping[str, Any] = getattr(importlib.import_module(kind.package), "OLD_NAMES", {})
    known = old.get(name, name)
    return (known, {}) if isinstance(known, str) else (known[0], dict(known[1]))


def foreign_models() -> Mapping[str, str]:
    """Endings of checkpoint files of other systems, each with the model that restores them."""
    found: Mapping[str, str] = getattr(importlib.import_module(KINDS["model"].package), "FOREIGN", {})
    return found


def _import_file(path: Path) -> ModuleType:
    digest = hashlib.blake2b(str(path).encode(), digest_size=6).hexdigest()
    spec = importlib.util.spec_from_file_location(f"{_OF_A_FILE}{path.stem}_{digest}", path)
    if spec is None or spec.loader is None:
        raise PluginError(f"{path} is not a Python file")
    if str(path.parent) not in sys.path:  # the plugin's own helper modules stand beside it
        sys.path.append(str(path.parent))
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # worker processes and dataclasses look a module up by name
    spec.loader.exec_module(module)
    return module


def _find_file(name: str, find: Callable[[str], Path | None], python_path: tuple[Path, ...]) -> Path | None:
    file = name if name.endswith(".py") else f"{name}.py"
    beside = find(file)
    if beside is not None and beside.is_file():
        return beside
    return next((folder / file for folder in python_path if (folder / file).is_file()), None)


def _installed(kind: Kind) -> dict[str, Any]:
    prefix = f"{kind.name}."
    return {e.name.removeprefix(prefix): e for e in entry_points(group=ENTRY_POINTS) if e.name.startswith(prefix)}


def find_module(
    kind: Kind, name: str, find: Callable[[str], Path | None], python_path: tuple[Path, ...] = ()
) -> tuple[ModuleType, str, dict[str, object]]:
    """Import the module of a plugin.

    A user's own file wins when named with its ending (``my_sampler.py``); then come the built-in
    plugins and their older names, files named without ending, and installed packages, whose entry
    points of the group ``deffe.plugins`` are named ``sampler.NAME``, ``model.NAME`` and so on.

    Returns:
        the module, the plugin's name, and the options that an older name stands for.
    Raises:
        PluginError: nothing of that name, or its import failed.
    """
    file = _find_file(name, find, python_path)
    stem, options = resolve_name(kind, name.removesuffix(".py"))
    builtin = builtin_names(kind)
    try:
        if file is not None and (name.endswith(".py") or stem not in builtin):
            return _import_file(file), file.stem, {}
        if stem in builtin:
            return importlib.import_module(f"{kind.package}.{stem}"), stem, options
        installed = _installed(kind)
        if stem in installed:
            module = installed[stem].load()
            return module, stem, options
    except DeffeError:
        raise
    except (Exception, SystemExit) as error:  # a user's module may fail in any way at import
        raise PluginError(f"{kind.name} {name!r} cannot be imported: {_where(error)}") from error
    raise PluginError(
        f"no {kind.name} plugin named {name!r}",
        f"{nearest(stem, [*builtin, *installed])}; or the name of a Python file beside the configuration",
    )


def _where(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({frames[-1].filename}:{frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {error}{place}"


def _methods(kind: Kind) -> str:
    return "an object with " + ", ".join(method for method in kind.methods if method not in kind.optional)


def _wanted(kind: Kind, name: str, method: str, function: object) -> frozenset[str]:
    offered = kind.methods[method]
    if not callable(function):
        raise PluginError(f"{kind.name} {name!r} has no method {method}", _methods(kind))
    parameters = inspect.signature(function).parameters.values()
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        return offered
    required = [p for p in parameters if p.kind is not p.VAR_POSITIONAL]
    wrong = [p.name for p in required if p.name not in offered and p.default is p.empty]
    if wrong:
        allowed = ", ".join(sorted(offered)) or "none"
        raise PluginError(
            f"{kind.name} {name!r}: {method} asks for unknown argument {wrong[0]!r}", f"allowed: {allowed}"
        )
    return frozenset(p.name for p in required if p.name in offered)


def make(kind: Kind, module: ModuleType, name: str, framework: Framework) -> Plugin:
    """Make a plugin from its module and check that it keeps the contract of its kind.

    Raises:
        PluginError: no ``GetObject``, a missing method, an argument that is not on offer, options nobody reads.
    """
    get_object = getattr(module, "GetObject", None)
    if not callable(get_object):
        file = getattr(module, "__file__", module.__name__)
        raise PluginError(
            f"{kind.name} {name!r} ({file}) has no GetObject", "def GetObject(framework): return MyClass(framework)"
        )
    try:
        instance = get_object(framework)
        methods = [m for m in kind.methods if m not in kind.optional or hasattr(instance, m)]
        wanted = {m: _wanted(kind, name, m, getattr(instance, m, None)) for m in methods}
        if "Save" in wanted and not callable(getattr(module, "Restore", None)):
            raise PluginError(f"{kind.name} {name!r} has Save, but its module has no Restore(folder, facts, trust)")
        instance.Initialize()
    except DeffeError:
        raise
    except (Exception, SystemExit) as error:
        raise PluginError(f"{kind.name} {name!r} cannot be made: {_where(error)}") from error
    unread = [] if framework.options_read else [*framework.section.options, *_own_arguments(kind, module, framework)]
    if unread:
        raise PluginError(f"{kind.name} {name!r} takes no options, got {', '.join(unread)}")
    return Plugin(kind, name, instance, wanted, module)


def _own_arguments(kind: Kind, module: ModuleType, framework: Framework) -> list[str]:
    """The options among the arguments of a built-in plugin; users' plugins may read theirs from the configuration."""
    if not module.__name__.startswith(f"{kind.package}."):
        return []
    try:
        return [flag for flag, _ in tokens(framework.arguments)]
    except ValueError as error:
        raise PluginError(f"arguments {framework.arguments!r}: {error}") from error


def load(kind_name: str, plugin_name: str, framework: Framework) -> Plugin:
    """Find, import, make and check one plugin."""
    kind = KINDS[kind_name]
    config = framework.config
    module, name, defaults = find_module(kind, plugin_name, config.find, config.python_path)
    return make(kind, module, name, dataclasses.replace(framework, name=name, defaults=defaults))


def load_all(source: str, wanted: Mapping[str, Callable[[], Plugin]]) -> dict[str, Plugin]:
    """Load every plugin of a run; all their faults are reported together.

    Args:
        source: the configuration file, for the report.
        wanted: place in the configuration to a function that loads the plugin named there.
    """
    plugins: dict[str, Plugin] = {}
    faults: list[Fault] = []
    for place, load_one in wanted.items():
        try:
            plugins[place] = load_one()
        except ConfigError as error:
            faults.extend(error.faults)
        except DeffeError as error:
            faults.append(Fault(place, error.message, error.hint))
    if faults:
        raise ConfigError(source, faults)
    return plugins
