"""run_deffe -report: a page and pictures of any run, which show what is so, disturb nothing, and can be read."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from socket import socket
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

pytest.importorskip("plotly", reason="pip install 'deffe[report]'")
pytest.importorskip("matplotlib", reason="pip install 'deffe[report]'")

if TYPE_CHECKING:
    from conftest import Project

    Browser = Any

PROGRAM = Path(__file__).parents[2] / "framework" / "run_deffe.py"
STEPS = ("-custom-samples", 10, 20)
SOME_FAIL = """echo $((size * 100 + ways)) > results.out
echo $((size - ways + 20)) >> results.out
[ $((size * ways)) = 4 ] && { echo "no <b>memory</b></script>" >&2; exit 3; }
exit 0
"""
KNOBS = [{"name": "size", "values": "1, 2, 4, 8", "unit": "KiB"}, {"name": "ways", "values": "1-8"}]
FAST = {"model": {"pyscript": "extra_trees"}}


def content(page: Path) -> dict[str, Any]:
    """The figures and points of a page."""
    found = re.search(r'<script type="application/json" id="content">(.*?)</script>', page.read_text(encoding="utf-8"))
    assert found
    made: dict[str, Any] = json.loads(found[1])
    return made


def traces(page: Path) -> list[dict[str, Any]]:
    return [trace for figure in content(page)["figures"] for trace in figure["data"]]


def named(page: Path, name: str) -> list[dict[str, Any]]:
    return [trace for trace in traces(page) if trace.get("name") == name]


def reported(project: Project, *arguments: object) -> Path:
    """The page of the run in ``explore``."""
    project.run("-report", "explore", *arguments).ok()
    return project.path("explore_report/report.html")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two steps, with failed points, that has learned and predicted."""
    folder = tmp_path_factory.mktemp("made") / "project"
    folder.mkdir()
    (folder / "evaluate.sh").write_text(SOME_FAIL)
    (folder / "evaluate.sh").chmod(0o755)
    (folder / "config.json").write_text(json.dumps({"knobs": KNOBS, "costs": ["cycles", "energy"], **FAST}))
    words = [sys.executable, PROGRAM, *map(str, STEPS)]
    subprocess.run(words, cwd=folder, check=True, capture_output=True)
    return folder


@pytest.fixture
def swept(made: Path, project: Project) -> Project:
    """A copy of it."""
    shutil.copytree(made, project.folder, dirs_exist_ok=True)
    return project


@pytest.fixture
def real_pictures() -> None:
    """Asked for by tests that look at pictures; drawing them takes seconds."""


@pytest.fixture(autouse=True)
def stand_ins(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures that are quickly drawn."""
    if "real_pictures" not in request.fixturenames:
        drawn = [("png", b"\x89PNG deffe report"), ("pdf", b"%PDF deffe report")]
        monkeypatch.setattr("deffe.report.pictures.rendered", lambda *_: iter(drawn))


# what is written


@pytest.mark.usefixtures("real_pictures")
def test_one_page_with_everything_in_it_and_pictures(swept: Project) -> None:
    before = swept.contents()
    said = swept.run("-report", "explore").ok().out
    after = swept.contents()
    assert "explore_report/report.html: the report of explore, with" in said
    new = after.keys() - before.keys()
    assert {name: after[name] for name in before} == before, "a report only reads"
    pictures = {Path(name).stem for name in new if name.endswith(".png")}
    keys = "pareto_front best_so_far learning_curve predicted_measured parallel effects response_cycles response_energy"
    assert pictures == {*keys.split(), "progress", "cost_of_run"}
    assert new == {
        "explore_report/report.html",
        "explore_report/report.xlsx",
        *(f"explore_report/{p}.{form}" for p in pictures for form in ("png", "pdf")),
    }
    page = after["explore_report/report.html"].decode()
    assert page.count("plotly.js v") == 1
    assert not re.findall(r"<(?:script|link|img|iframe)[^>]*(?:src|href)=", page)


def test_the_points_of_the_page_are_those_of_the_run(swept: Project) -> None:
    page, table = reported(swept), swept.numbers()
    done = table[table["State"] == "done"]
    shown = [(x, y) for trace in (*named(page, "evaluated front"), *named(page, "evaluated")) if "points" in trace
             for x, y in zip(trace["x"], trace["y"], strict=True)]  # fmt: skip
    assert {*zip(done["cycles"], done["energy"], strict=True)} <= {*shown}
    predicted = [y for name in ("predicted", "predicted front") for trace in named(page, name) for y in trace["y"]]
    assert len(predicted) == (table["State"] == "predicted").sum()
    entries = content(page)["entries"][0]
    row = done.iloc[0]
    own = next(one for one in entries if one["lines"][0] == "point 0, step 0, done")
    assert own["lines"][1:3] == [f"size = {row['size']} KiB", f"ways = {row['ways']}"]
    assert (page.parent / own["link"]).resolve() == swept.path("explore") / Path(row["RunDir"]).name


def test_predictions_are_compared_on_points_that_were_predicted_before(swept: Project) -> None:
    page, table = reported(swept), swept.numbers()
    second = table[(table["Step"] == 1) & (table["State"] == "done")]
    compared = named(page, "points of the next step")
    assert sorted(compared[0]["x"]) == sorted(second["cycles"])
    assert len(second) > 0
    assert len(named(page, "ahead")) == 2


def test_a_resumed_run_still_has_its_forecasts(project: Project) -> None:
    project.shell(knobs=KNOBS, **FAST).run(*STEPS).ok()
    first = named(reported(project), "points of the next step")
    project.run(*STEPS).ok()
    assert named(reported(project), "points of the next step") == first
    project.run("-custom-samples", 10, 20, 26).ok()
    assert len(named(reported(project), "points of the next step")[0]["x"]) == 16


def test_points_of_a_table_that_were_only_predicted_are_compared(project: Project, other: Project) -> None:
    other.shell(knobs=KNOBS).run("-full-exploration", "-no-train").ok()
    project.shell(knobs=KNOBS, **FAST)
    table = other.path("deffe_output.csv")
    project.run(*STEPS, "-pre-evaluated-data", table, "-only-preloaded-data-exploration").ok()
    page = reported(project)
    assert len(named(page, "points of the table")[0]["x"]) == 28 - 20
    assert "looked up in a table of known results" in page.read_text(encoding="utf-8")


def test_recommended_designs_and_what_is_expected_are_told(swept: Project) -> None:
    text = reported(swept).read_text(encoding="utf-8")
    assert "<h3>Recommended designs</h3>" in text
    assert "best predicted cycles" in text
    assert "<h3>What more evaluations may bring</h3>" in text
    assert named(swept.path("explore_report/report.html"), "predicted, 90 % interval")
    swept.path("deffe_recommended.csv").unlink()
    text = reported(swept).read_text(encoding="utf-8")
    assert "Recommended designs" not in text
    assert "deffe_recommended.csv are gone" in text


def test_failures_are_told(swept: Project) -> None:
    page = reported(swept).read_text(encoding="utf-8")
    assert "exit status 3: no &lt;b&gt;memory&lt;/b&gt;&lt;/script&gt;" in page
    assert re.search(r"\d failed", page)


# any run


def test_a_run_that_has_only_failures(project: Project) -> None:
    project.shell("exit 1", knobs=KNOBS).run(*STEPS, "-max-failed", 100)
    page = reported(project)
    assert {trace["name"] for trace in traces(page)} == {"failed", ""}
    assert "No point is done: 20 points failed, see the table of failures." in page.read_text(encoding="utf-8")


def test_several_explorations_have_a_part_each(project: Project) -> None:
    explorations = [{"name": "a b", "groups": "x"}, {"name": "grün+", "groups": "y"}]
    knobs = [{"name": "size", "values": "1-9", "groups": ["x", "y"]}, {"name": "ways", "values": "1-3"}]
    project.shell(knobs=knobs, exploration={"explore": explorations}, **FAST).run("-custom-samples", 8).ok()
    page = reported(project)
    assert len(content(page)["entries"]) == 2
    text = page.read_text(encoding="utf-8")
    assert "<h2>a b</h2>" in text
    assert "<h2>grün+</h2>" in text
    assert {"a_b-pareto_front.png", "gr_n-pareto_front.png"} <= {path.name for path in page.parent.iterdir()}


def test_one_objective_has_no_front_and_says_so(project: Project) -> None:
    project.shell("echo $((size * ways)) > results.out", costs=["cycles"], objectives={"cycles": "max"}, **FAST)
    project.run("-custom-samples", 6).ok()
    page = reported(project)
    assert "There is one objective, max cycles" in page.read_text(encoding="utf-8")
    assert not page.with_name("pareto_front.png").exists()


def test_conditional_knobs_and_values_of_any_kind(project: Project) -> None:
    knobs = [
        {"name": "mode", "values": ["<b>x</b>", 'a"q', "$y_1$", "größe", "</script>"]},
        {"name": "depth", "values": [1, 2.5, 3], "when": "mode == 'größe'"},
        {"name": "on", "values": [True, False]},
    ]
    code = "import numpy as np\ndef costs(points):\n    return np.arange(len(points) * 2.0).reshape(-1, 2) + 1\n"
    project.python(code, knobs=knobs).run("-full-exploration", "-no-train").ok()
    page = reported(project)
    lines = [line for entry in content(page)["entries"][0] for line in entry["lines"]]
    assert {'mode = a"q', "mode = <b>x</b>", "depth = 2.5", "on = True"} <= {*lines}
    assert page.read_text(encoding="utf-8").count("</script>") == 3


def test_a_run_that_goes_on(project: Project) -> None:
    waiting = 'touch "$DEFFE_CONFIG_DIR/at"\nuntil [ -e "$DEFFE_CONFIG_DIR/go" ]; do sleep 0.02; done\n'
    process = project.shell(waiting, evaluate={"workers": 2}).start("-custom-samples", 4, "-no-train")
    try:
        with contextlib.suppress(TimeoutError):
            wait(lambda: project.path("at").exists() and project.path("explore/deffe.sqlite").exists())
        page = reported(project)
        assert process.poll() is None
        text = page.read_text(encoding="utf-8")
        assert "Going on as this was made" in text
        assert "4 points proposed: 0 done, 4 to do." in text
        assert not content(page)["figures"]
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert "Killed after" in reported(project).read_text(encoding="utf-8")


def wait(condition: Callable[[], bool], seconds: float = 20) -> None:
    import time

    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError
        time.sleep(0.05)


# the workbook


def test_the_workbook_has_every_point_and_the_charts(swept: Project) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    book, table = openpyxl.load_workbook(reported(swept).with_name("report.xlsx")), swept.numbers()
    rows = [*book["points"].iter_rows(values_only=True)]
    names = ["size [KiB]", "ways", "cycles", "energy", "state", "reason"]
    found = {row[0]: {name: row[rows[0].index(name)] for name in names} for row in rows[1:]}
    assert len(found) == len(table[table["State"] != "predicted"])
    row = table[table["State"] == "done"].iloc[0]
    assert [found[0]["cycles"], found[0]["size [KiB]"]] == [row["cycles"], row["size"]]
    assert {one["reason"] for one in found.values()} == {None, "exit status 3: no <b>memory</b></script>"}
    assert next(iter(book["points"].tables.values())).autoFilter is not None
    charts = {sheet.title: len(sheet._charts) for sheet in book}
    assert charts["Pareto front"] == 1
    line, dots = book["Pareto front"]._charts[0].series[-2:]
    counts = [int(one.yVal.numRef.f.rsplit("$", 1)[1]) for one in (line, dots)]
    assert counts[0] > counts[1], "the corners of the line of the front are points of their own"
    assert (line.marker.symbol, dots.marker.symbol, dots.graphicalProperties.line.noFill) == (None, "circle", True)
    assert charts["Progress and failures"] == 2


def test_no_text_of_a_workbook_is_a_formula_or_too_long(project: Project) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    knobs = [{"name": "=mode[]", "values": ["=1+1", "http://x", "@a", "b" * 40_000]}, {"name": "n", "values": "1-3"}]
    code = "import numpy as np\ndef costs(points):\n    return np.arange(len(points) * 2.0).reshape(-1, 2)\n"
    project.python(code, knobs=knobs).run("-full-exploration", "-no-train").ok()
    book = openpyxl.load_workbook(reported(project).with_name("report.xlsx"))
    cells = [cell for sheet in book for row in sheet.iter_rows() for cell in row]
    assert "=1+1" in {cell.value for cell in cells}
    assert {cell.data_type for cell in cells} <= {"s", "n"}
    assert not [cell for cell in cells if cell.hyperlink]


# served


@contextlib.contextmanager
def serving(project: Project, folder: str = "explore") -> Iterator[str]:
    """The address of a server of the run; it is ended by Ctrl-C, and ends well."""
    process = project.start("-serve", folder)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
        assert (process.returncode, err) == (0, "")
        assert out.endswith("ended\n")
    finally:
        process.kill()
        process.wait()


def asked(address: str, **headers: str) -> tuple[int, str]:
    """Status and text of an answer."""
    try:
        with urlopen(Request(address, headers=headers), timeout=60) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as error:
        return error.code, error.read().decode()


def test_a_served_run_is_for_those_who_know_the_token_alone(swept: Project) -> None:
    swept.write("secret.txt", "not for you")
    swept.path("explore/explore_0/out").symlink_to(swept.path("secret.txt"))
    with serving(swept) as address:
        code, text = asked(address)
        assert (code, "size" in text) == (200, True)
        root = address.rsplit("/", 2)[0]
        for other in (root, f"{root}/", address[:-2], f"{root}/x{address.rsplit('/', 2)[1]}/", f"{address}nothing"):
            assert asked(other)[0] == 404, other
        assert "open the address that run_deffe -serve has printed" in asked(f"{root}/other/")[1]
        assert asked(address, Host="evil.example:80")[0] == 404
        code, text = asked(f"{address}news")
        news = json.loads(text)
        assert "points proposed" in news["html"]
        assert asked(f"{address}news?seen={news['seen']}")[0] == 204
        assert "evaluate.sh" in asked(f"{address}points/0/0/")[1]
        assert "results.out" in asked(f"{address}points/0/0/evaluate.sh")[1]
        for outside in ("out", "../../config.json", "%2e%2e/%2e%2e/config.json", "/etc/passwd", "%00"):
            assert asked(f"{address}points/0/0/{outside}")[0] == 404, outside
        assert asked(f"{address}points/0/999999/")[0] == 404


def test_a_served_page_follows_the_run(swept: Project, browser: Browser) -> None:
    with serving(swept) as address:
        browser.open(address)
        count = "document.querySelector('section p').textContent.slice(0, 3).trim()"
        assert browser.value(count) == "20"
        browser.value("document.querySelector('.legend button').click()")
        swept.run("-custom-samples", 10, 20, 24).ok()
        wait(lambda: browser.value(count) == "24")
        assert browser.value("document.querySelector('.legend button').getAttribute('aria-pressed')") == "false"
        browser.open("about:blank")  # or it would go on asking
    assert not [error for error in browser.errors if not error.startswith(f"asked for {address}")]


def test_two_servers_show_a_run_each_with_a_token_of_its_own(swept: Project) -> None:
    with serving(swept) as one, serving(swept) as other:
        assert (asked(one)[0], asked(other)[0]) == (200, 200)
        token = one.rsplit("/", 2)[1]
        assert asked(f"{other.rsplit('/', 2)[0]}/{token}/")[0] == 404


def test_a_run_directory_that_goes_away_is_said_until_it_is_back(swept: Project) -> None:
    folder = swept.path("explore").rename(swept.path("a run"))
    with serving(swept, "a run") as address:
        seen = json.loads(asked(f"{address}news")[1])["seen"]
        folder.rename(swept.path("elsewhere"))
        code, text = asked(f"{address}news?seen={seen}")
        assert (code, "there is no run in" in text, "a run any more" in text) == (503, True, True)
        assert asked(address)[0] == 503
        swept.path("elsewhere").rename(folder)
        assert asked(f"{address}news?seen={seen}")[0] == 204


def test_runs_that_cannot_be_shown_are_said_before_anything_is_served(swept: Project) -> None:
    with contextlib.closing(sqlite3.connect(swept.path("explore/deffe.sqlite"))) as database:
        database.execute("PRAGMA user_version = 99")
        database.commit()
    for flag in ("-serve", "-report"):
        swept.run(flag, "explore").refused("made by a newer deffe", "run directory")
    swept.path("empty").mkdir()
    swept.run("-serve", "empty").refused("there is no run in empty")


def test_a_port_that_cannot_be_had_is_said(swept: Project) -> None:
    with socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        swept.run("-serve", "explore", "-port", port).refused(f"-port {port} of 127.0.0.1 cannot be had")
    swept.run("-serve", "explore", "-port", 99_999).refused("-port 99999")
    swept.run("-serve", "nowhere").refused("there is no nowhere")


# what stands in the way


def test_an_earlier_report_is_replaced_and_another_file_is_not(swept: Project) -> None:
    page = reported(swept)
    page.write_bytes(page.read_bytes() + b"<!-- of an earlier run -->")
    page.with_name("mine.png").write_bytes(b"mine")
    assert b"of an earlier run" not in reported(swept).read_bytes()
    assert page.with_name("mine.png").read_bytes() == b"mine"
    page.with_name("effects.pdf").write_bytes(b"%PDF my thesis")
    before = swept.contents()
    swept.run("-report", "explore").refused("effects.pdf is there, and no report wrote it", "name another folder")
    assert swept.contents() == before
    swept.run("-report", "explore", "-output", "other/place").ok()
    assert swept.path("other/place/report.html").is_file()
    swept.run("-report", "explore", "-output", "config.json").refused("config.json is no folder")


def test_predictions_that_were_changed_or_are_gone_are_not_shown(swept: Project) -> None:
    table = swept.path("deffe_prediction.csv")
    table.write_text(table.read_text() + "\n")
    page = reported(swept)
    assert not named(page, "predicted")
    assert "have been changed since the run" in page.read_text(encoding="utf-8")
    table.unlink()
    assert "deffe_prediction.csv are gone" in reported(swept).read_text(encoding="utf-8")


@pytest.mark.parametrize("library", ["plotly", "matplotlib", "xlsxwriter"])
def test_a_library_that_is_not_there_is_named(library: str, swept: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == library else find(name))
    swept.run("-report", "explore").refused(f"-report needs {library}", "deffe[report]")


def test_runs_that_are_not_there_or_damaged_are_said(project: Project) -> None:
    project.shell()
    project.run("-report", "nowhere").refused("there is no nowhere")
    project.run("-report").refused("there is no run in", "nothing has been run there yet")
    project.run("-custom-samples", 4, "-no-train").ok()
    project.run("-report", "explore", "-status").refused("ask for one of them")
    with contextlib.closing(sqlite3.connect(project.path("explore/deffe.sqlite"))) as database:
        database.execute("UPDATE meta SET value = '[{}]' WHERE key = 'layouts'")
        database.commit()
    project.run("-report", "explore").refused("is damaged")


# in a browser


@pytest.fixture
def page(swept: Project) -> Path:
    """The page of that run."""
    return reported(swept)


LOOKS = [(1440, 900, False), (1440, 900, True), (390, 844, False), (390, 844, True)]
OVERFLOWING = """[...document.querySelectorAll('body *')].filter((one) => {
    const box = one.getBoundingClientRect();
    return box.width && box.right > document.documentElement.clientWidth + 1 && !one.closest('.scroll');
}).map((one) => one.outerHTML.slice(0, 120))"""
OVERLAPPING = """(() => {
  const turn = (one) => /rotate\\(([-\\d.]+)/.exec(one.getAttribute('transform') || '')?.[1] || 0;
  const upright = (one) => Math.abs(Number(turn(one))) % 90 < 1;
  return [...document.querySelectorAll('.plot')].flatMap((plot) => {
    const texts = [...plot.querySelectorAll('.xtick text, .ytick text, .xtitle, .ytitle')]
        .filter((one) => one.textContent && getComputedStyle(one).opacity > 0 && upright(one))
        .map((one) => [one.textContent, one.getBoundingClientRect()]);
    return texts.flatMap(([a, p], i) => texts.slice(i + 1).filter(([b, q]) =>
        Math.min(p.right, q.right) - Math.max(p.left, q.left) > 1
        && Math.min(p.bottom, q.bottom) - Math.max(p.top, q.top) > 3).map(([b]) => a + ' | ' + b));
  });
})()"""
CUT = """[...document.querySelectorAll('.plot')].flatMap((plot) => {
    const box = plot.getBoundingClientRect();
    return [...plot.querySelectorAll('.xtick text, .ytick text, .xtitle, .ytitle')].filter((one) => {
        const own = one.getBoundingClientRect();
        return own.left < box.left - 1 || own.right > box.right + 1 || own.bottom > box.bottom + 1;
    }).map((one) => one.textContent);
})"""
UNDRAWN = "[...document.querySelectorAll('.plot')].filter((one) => !one.querySelector('svg.main-svg')).length"


@pytest.mark.parametrize(("width", "height", "dark"), LOOKS)
def test_the_page_fits_and_nothing_overlaps(
    width: int, height: int, dark: bool, page: Path, browser: Browser, tmp_path: Path
) -> None:
    browser.errors.clear()
    browser.open(page, width, height, dark=dark, phone=width < 500)
    browser.draw_all()
    browser.screenshot(tmp_path / "page.png")
    assert browser.errors == []
    assert browser.value(UNDRAWN) == 0
    assert browser.value("document.documentElement.scrollWidth") == width
    assert browser.value(OVERFLOWING) == []
    assert browser.value(OVERLAPPING) == []
    assert browser.value(CUT) == []
    colour = browser.value("getComputedStyle(document.body).backgroundColor")
    assert (colour == "rgb(255, 255, 255)") != dark


def test_names_of_any_kind_fit_and_run_nothing(project: Project, browser: Browser) -> None:
    knobs = [
        {"name": f"<img_src=x_onerror=alert({i})>_{'very_long_' * i}name", "values": ["<b>a</b>", "b" * 60, "$c_d$"]}
        for i in range(5)
    ]
    code = (
        "import numpy as np\ndef costs(points):\n"
        "    n = np.arange(len(points) * 3.0).reshape(-1, 3)\n    return np.exp(n % 17)\n"
    )
    costs = ["<i>cycles</i>" + "x" * 50, "a&b", "energy"]
    project.python(code, knobs=knobs, costs=costs).run("-full-exploration", "-no-train").ok()
    page = reported(project)
    for width, phone in ((1280, False), (360, True)):
        browser.errors.clear()
        browser.open(page, width, 800, phone=phone)
        browser.draw_all()
        assert browser.errors == []
        assert browser.value("document.documentElement.scrollWidth") == width
        assert browser.value(OVERLAPPING) == []
        assert browser.value(CUT) == []
        assert browser.value("document.querySelectorAll('h1 img, .plot b, .plot img, h4 i').length") == 0


def test_pointing_shows_the_knobs_and_a_click_offers_the_folder(page: Path, browser: Browser) -> None:
    browser.errors.clear()
    browser.open(page)
    browser.draw_all()
    x, y = browser.value(
        """(() => { const plot = document.querySelector('.plot'); plot.scrollIntoView();
        const box = plot.querySelectorAll('.trace:last-child .points path')[0].getBoundingClientRect();
        return [box.left + box.width / 2, box.top + box.height / 2]; })()"""
    )
    browser.ask("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
    browser.value("new Promise((done) => setTimeout(done, 300))")
    shown = browser.value("document.querySelector('.plot .hoverlayer').textContent")
    assert "size = " in shown
    assert "KiB" in shown
    browser.value("window.open = (...given) => { window.opened = given[0]; }")
    for kind in ("mousePressed", "mouseReleased"):
        browser.ask("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)
    link = browser.value("document.querySelector('.told a').getAttribute('href')")
    assert (page.parent / link / "evaluate.sh").is_file()
    assert browser.value("window.opened") == link
    assert browser.errors == []


def test_the_legend_hides_what_is_clicked(page: Path, browser: Browser) -> None:
    browser.open(page)
    hide = "document.querySelector('.legend button').click()"
    shown = "document.querySelector('.plot').data[0].visible"
    browser.value(hide)
    assert browser.value(shown) is False
    browser.value(hide)
    assert browser.value(shown) is True


def test_other_colours_are_taken_over_while_the_page_is_open(page: Path, browser: Browser) -> None:
    browser.open(page)
    browser.draw_all()
    paper = "document.querySelector('.plot')._fullLayout.paper_bgcolor"
    light = browser.value(paper)
    browser.ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark"}])
    browser.value("new Promise((done) => setTimeout(done, 300))")
    assert browser.value(paper) != light
    assert browser.errors == []


def test_the_page_of_100000_points_stays_small(project: Project) -> None:
    knobs = [{"name": f"k{i}", "values": "1-9"} for i in range(8)]
    code = (
        "import numpy as np\ndef costs(points):\n    k = np.asarray(points, dtype=float)\n"
        "    return np.stack([k[:, 0] * k[:, 1] + k[:, 2], 100 - k.sum(axis=1)], axis=1)\n"
    )
    project.python(code, knobs=knobs).run("-custom-samples", 100_000, "-no-train", "-no-inference").ok()
    page = reported(project)
    assert page.stat().st_size < 9_000_000
    assert " of 100,000 evaluated points are drawn" in page.read_text(encoding="utf-8")
