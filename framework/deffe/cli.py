"""The command ``run_deffe``: reads the command line, runs, and turns the outcome into an exit code."""

from __future__ import annotations

import io
import logging
import signal
import sys
import traceback
from collections.abc import Sequence
from typing import Any

import deffe
from deffe.errors import DeffeError, UsageError, nearest
from deffe.flags import all_flags, make_parser

DONE, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130
LOOKS = ("status", "tail", "export", "report", "serve")
"""Options that look at a run and change nothing."""
TABLES = "tables"
"""The first word of the command that works on tables of results."""


class _Interrupted(BaseException):
    """SIGTERM or SIGINT arrived."""


class _Once(logging.Filter):
    """Lets a message through once: what holds for several explorations or steps need not be repeated."""

    def __init__(self) -> None:
        super().__init__()
        self._said: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        text = record.getMessage()
        new = text not in self._said
        self._said.add(text)
        return new


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``run_deffe`` with these arguments (by default the process's own).

    Returns:
        0 done, 1 the run failed, 2 the call or the configuration is wrong, 3 too many trials failed,
        130 interrupted; the same command goes on from there.
    """
    _prepare_streams()
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = "-debug" in words or "--debug" in words
    try:
        return _tables(words[1:]) if words[:1] == [TABLES] else _dispatch(_read(words))
    except DeffeError as error:
        if debug:
            traceback.print_exc()
        print(f"run_deffe: {error}", file=sys.stderr)
        return error.exit_code
    except (KeyboardInterrupt, _Interrupted):
        print("run_deffe: interrupted; all finished points are kept, the same command goes on", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()  # whoever read our output has gone; there is nobody to tell
        return FAILED
    except Exception as error:
        if debug:
            traceback.print_exc()
        print(f"run_deffe: {type(error).__name__}: {error}\n  -debug shows where", file=sys.stderr)
        return FAILED


def _prepare_streams() -> None:
    """Results are said whatever the terminal can show, and also when nobody listens."""
    sys.stdout, sys.stderr = (stream or io.StringIO() for stream in (sys.stdout, sys.stderr))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _read(words: Sequence[str]) -> dict[str, Any]:
    parser = make_parser(deffe.__version__)
    found, unknown = parser.parse_known_args(words)
    if unknown:
        known = [f"-{name}" for flag in all_flags() for name in (flag.name, *flag.aliases)]
        hint = nearest(unknown[0], known).split(" known:")[0] if unknown[0].startswith("-") else ""
        raise UsageError(
            f"unknown argument {unknown[0]!r}", f"{hint + '; ' if hint else ''}run_deffe -h lists all".strip()
        )
    return vars(found)


def _dispatch(flags: dict[str, Any]) -> int:
    if flags.get("schema"):
        return _print_schema()
    _end_on_signals()
    if any(name in flags for name in LOOKS):
        return _look_and_end(flags)
    if "compare" in flags:
        from deffe.compare.command import compare

        return compare(flags["compare"], flags, say=print)
    log = _make_log(bool(flags.get("debug")))
    from deffe.operate.place import DEFAULT_CONFIG, located
    from deffe.run import run  # everything heavy is imported from here on, so that -h is quick

    if "effects" in flags or "predict" in flags:
        config, folder = located(flags.get("effects", ""), flags)
        return run(str(config), {**flags, "run_directory": str(folder)}, log, say=print)
    return run(flags.get("config", DEFAULT_CONFIG), flags, log, say=print)


def _tables(words: Sequence[str]) -> int:
    """Work on tables of results, and on no run."""
    _end_on_signals()
    from deffe.table_tools import run_tables

    try:
        return run_tables(words, say=print, tell=lambda line: print(f"deffe: {line}", file=sys.stderr))
    except (KeyboardInterrupt, _Interrupted):
        print("run_deffe: interrupted; files that were not complete are not written", file=sys.stderr)
        return INTERRUPTED


def _look_and_end(flags: dict[str, Any]) -> int:
    try:
        return _look(flags)
    except (KeyboardInterrupt, _Interrupted):
        print("run_deffe: ended; the run itself is left alone", file=sys.stderr)
        return INTERRUPTED


def _look(flags: dict[str, Any]) -> int:
    """Look at a run, and import no more than that takes."""
    asked = [name for name in (*LOOKS, "cancel") if name in flags]
    if len(asked) > 1:
        raise UsageError(f"-{asked[0]} and -{asked[1]} are given", "ask for one of them")
    from deffe.operate.place import run_folder

    folder = run_folder("" if asked[0] == "export" else flags[asked[0]], flags)
    if asked[0] == "export":
        from deffe.operate.export import export

        return export(folder, flags["export"], flags.get("output", ""), say=print)
    if asked[0] == "report":
        from deffe.report.make import make_report

        return make_report(folder, flags.get("output", ""), say=print)
    if asked[0] == "serve":
        from deffe.report.serve import serve

        return serve(folder, flags.get("port", 0), say=_say_at_once)
    if asked[0] == "tail":
        from deffe.operate.tail import tail

        return tail(folder, say=_say_at_once)
    from deffe.operate.status import status

    return status(folder, say=print)


def _say_at_once(line: str) -> None:
    print(line, flush=True)


def _end_on_signals() -> None:
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)


def _interrupt(number: int, frame: object) -> None:
    raise _Interrupted


def _print_schema() -> int:
    import json

    from deffe.config import json_schema

    print(json.dumps(json_schema(), indent=2))
    return DONE


def _make_log(debug: bool) -> logging.Logger:
    log = logging.getLogger("deffe")
    log.handlers.clear()
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("deffe: %(message)s"))
    handler.addFilter(_Once())
    log.addHandler(handler)
    log.setLevel(logging.DEBUG if debug else logging.INFO)
    log.propagate = False
    return log


if __name__ == "__main__":
    sys.exit(main())
