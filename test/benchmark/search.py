"""How few evaluations find the best designs, beside other methods: ``python test/benchmark/search.py``.

Searches tables of recorded results by each method, appends to a file of results, which a later call continues, and
prints Markdown tables. Ends with 2 when something could not be measured.
"""

from __future__ import annotations

import argparse
import sys
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path

import _search_methods as methods
import _search_results as results
import _search_tables
from _search_loop import search
from _search_problems import CASES, missing, problem
from _tables import DATA

Task = tuple[str, str, int, int]
"""Method with options, problem, seed, evaluations."""


def run(task: Task) -> results.Result:
    """One search."""
    from threadpoolctl import threadpool_limits

    method, name, seed, budget = task
    case = problem(name)
    with threadpool_limits(1):
        found = search(case, methods.make(method, case, seed), seed, budget)
    return results.Result(method, name, seed, tuple(found.rows), found.rejected, found.fallbacks, found.seconds)


def run_all(tasks: list[Task], file: Path, jobs: int) -> bool:
    """Run what the file does not hold yet, in the order of the tasks; whether all of them went well."""
    held = {(result.key, len(result.rows)) for result in results.read(file)}
    open_tasks = [task for task in tasks if not any(key == task[:3] and rows >= task[3] for key, rows in held)]
    with ProcessPoolExecutor(jobs, get_context("spawn")) as workers:
        futures = {workers.submit(run, task): task for task in open_tasks}
        for future in as_completed(futures):
            if error := future.exception():
                method, name, seed, _ = futures[future]
                print(f"{method} {name} {seed}: {type(error).__name__}: {error}", file=sys.stderr)
                continue
            result = future.result()
            results.append(file, result)
            end = result.curve[-1]
            print(f"{result.method} {result.problem} {result.seed}: {end:.4g}, {result.seconds:.0f} s", file=sys.stderr)
    return not any(future.exception() for future in futures)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = ", ".join(methods.ENTRIES)
    parser.add_argument("-methods", "--methods", nargs="+", help=f"among {names}; options as NAME:option=value")
    parser.add_argument("-problems", "--problems", nargs="+", choices=tuple(CASES), default=tuple(CASES))
    parser.add_argument("-seeds", "--seeds", type=int, default=10, help="number of choices of the first points")
    parser.add_argument("-first", "--first", type=int, default=0, help="the first of these seeds")
    parser.add_argument("-budget", "--budget", type=int, default=100, help="evaluations, the first points included")
    parser.add_argument("-jobs", "--jobs", type=int, default=2, help="processes; each computes on one thread")
    parser.add_argument("-results", "--results", type=Path, default=Path("search.jsonl"), help="file of results")
    parser.add_argument("-table", "--table", action="store_true", help="print the tables of the file, run nothing")
    return parser.parse_args()


def main() -> int:
    asked = parse()
    lacking = missing(asked.problems)
    if lacking:
        print(f"{', '.join(lacking)} not found in {DATA}", file=sys.stderr)
        return 2
    wanted = asked.methods or list(methods.ENTRIES)
    try:
        entries = {text: methods.split_name(text)[0] for text in wanted}
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    absent = [text for text, entry in entries.items() if not entry.installed]
    for text in absent:
        print(f"{text} is not installed: {entries[text].install}", file=sys.stderr)
    well = True
    if not asked.table:
        seeds = range(asked.first, asked.first + asked.seeds)
        tasks = [
            (text, name, seed, asked.budget)
            for text in wanted
            if text not in absent
            for name in asked.problems
            if len(CASES[name].objectives) <= entries[text].most
            for seed in seeds
        ]
        well = run_all(tasks, asked.results, asked.jobs)
    _search_tables.show(results.read(asked.results), asked.methods, asked.problems, absent)
    return 0 if well and not absent else 2


if __name__ == "__main__":
    sys.exit(main())
