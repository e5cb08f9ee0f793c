"""The site of many runs: what it says, what it builds again, and what a kill or a hostile name does to it."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import os
import re
import runpy
import shutil
import signal
import subprocess
import sys
import time
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import unquote

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from mlopskit.cli import site as command
from mlopskit.errors import RunError
from mlopskit.runner import marks
from mlopskit.runner.report import render
from mlopskit.runner.site import beside, build, pages
from mlopskit.runner.site.chart import charts, ticks
from mlopskit.runner.site.details import details_of, script_of
from mlopskit.runner.site.entries import Entry, Headline
from mlopskit.runner.site.making import Making
from mlopskit.runner.site.reading import Reading
from mlopskit.runner.site.state import FILE, is_name
from mlopskit.runs.presence import present

HERE = Path(__file__).parent
made = SimpleNamespace(**runpy.run_path(str(HERE / "site_runs.py")))
tiny = SimpleNamespace(**made.TINY)

OLD, NEW = "20260101T000000Z-000001", "20260301T120000Z-000002"
APP = typer.Typer()
APP.command("site")(command.site)
APP.callback()(lambda: None)


class Page(HTMLParser):
    """The elements of a page, its links and its words."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.words = ""
        self.rows: list[dict[str, str | None]] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        said = dict(attrs)
        self.links += [said["href"] or ""] if tag == "a" and "href" in said else []
        self.rows += [said] if "data-n" in said else []

    def handle_data(self, data: str) -> None:
        self.words += data


def dead_links(path: Path) -> list[str]:
    found = (link for link in Page(path).links if not link.startswith("#"))
    return [link for link in found if not (path.parent / unquote(link)).is_file()]


def stamps(folder: Path) -> dict[str, int]:
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def details(path: Path) -> dict[str, Any]:
    (text,) = re.fullmatch(r"mlopskitRun\((.*)\);\n", path.read_text(encoding="ascii"), re.DOTALL).groups()  # type: ignore[union-attr]
    return json.loads(json.loads(text))


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    folder = tmp_path / "runs"
    made.make_run(folder, OLD, value=0.78, criteria=[made.criterion("not-met")], status="criteria-not-met")
    made.make_run(folder, NEW, value=0.86)
    marks.tag(folder / NEW, ["for-review"])
    return folder


def test_real_runs_become_a_site_whose_links_all_lead_somewhere(tmp_path: Path) -> None:
    write = 'run.write("summary", {"facts": [{"label": "Recall", "value": 0.5, "low": 0.4, "high": 0.6}]})'
    phases = tiny.make_project(tmp_path, {"evaluate": write})
    good = tiny.run(tmp_path, phases).folder
    (tmp_path / phases[0].notebook).write_text(json.dumps(tiny.phase_notebook("1 / 0", phase="evaluate")), "utf-8")
    bad = tiny.run(tmp_path, phases).folder
    built = build(tmp_path / "runs", tmp_path / "site")
    assert set(built.built) == {good.name, bad.name}
    assert dead_links(built.index) == []
    rows = {row["data-n"]: row for row in Page(built.index).rows}
    assert (rows[good.name]["data-s"], rows[bad.name]["data-s"]) == ("passed", "failed")
    assert float(rows[good.name]["data-v"] or "nan") == 0.5
    for folder in (good, bad):
        place = tmp_path / "site" / "runs" / folder.name
        assert (place / "report.html").read_bytes() == (folder / "report.html").read_bytes()
        assert dead_links(place / "index.html") == []
    assert details(place / "run.js")["phases"] == {"evaluate": "failed"}


def test_a_line_says_question_criteria_figure_tags_status_and_date(runs: Path, tmp_path: Path) -> None:
    page = Page(build(runs, tmp_path / "site").index)
    assert [row["data-n"] for row in page.rows] == [NEW, OLD]  # newest first
    assert [row["data-d"] for row in page.rows] == ["2026-03-01", "2026-01-01"]
    assert [row.get("data-t") for row in page.rows] == ["for-review", None]
    said = " ".join(page.words.split())
    for words in (
        "Who buys?",
        "1 of 1 met",
        "0 of 1 met not met: recall at least 0.7",
        "0.860 0.840 to 0.880",
        "2 runs",
    ):
        assert words in said, words


def test_a_criterion_that_a_failed_run_did_not_get_as_far_as_is_counted_and_named(tmp_path: Path) -> None:
    asked = json.dumps([{"metric": "recall", "at_least": 0.7}, {"metric": "roc_auc", "at_least": 0.8}])
    write = f"run.write('criterion', {asked})"
    phases = tiny.make_project(tmp_path, {"scope": write, "model": "1 / 0"})
    tiny.run(tmp_path, phases)
    said = " ".join(Page(build(tmp_path / "runs", tmp_path / "site").index).words.split())
    assert "0 of 2 met not checked: recall at least 0.7 not checked: roc_auc at least 0.8" in said


def test_nothing_new_touches_nothing(runs: Path, tmp_path: Path) -> None:
    build(runs, tmp_path / "site")
    before = stamps(tmp_path / "site")
    built = build(runs, tmp_path / "site")
    assert (built.built, set(built.kept)) == ((), {OLD, NEW})
    changed = {name for name, time in stamps(tmp_path / "site").items() if before.get(name) != time}
    assert changed == set()


def test_a_new_run_touches_only_its_own_pages_and_the_index(runs: Path, tmp_path: Path) -> None:
    build(runs, tmp_path / "site")
    before = stamps(tmp_path / "site")
    name = made.make_run(runs, "20260401T000000Z-000003").name
    assert build(runs, tmp_path / "site").built == (name,)
    changed = {path for path, time in stamps(tmp_path / "site").items() if before.get(path) != time}
    own = {f"runs/{name}/{file}" for file in ("index.html", "run.js", "report.html")}
    assert changed == {"index.html", FILE, *own}
    assert contents(tmp_path / "site") == contents(build(runs, tmp_path / "anew").index.parent)


def test_a_tag_changes_the_index_alone(runs: Path, tmp_path: Path) -> None:
    index = build(runs, tmp_path / "site").index
    before = stamps(tmp_path / "site")
    marks.tag(runs / OLD, ["baseline"])
    assert build(runs, tmp_path / "site").built == ()
    assert {path for path, time in stamps(tmp_path / "site").items() if before[path] != time} == {"index.html"}
    assert Page(index).rows[1]["data-t"] == "baseline"


def test_a_report_rendered_again_is_taken_over_and_one_taken_back_goes(runs: Path, tmp_path: Path) -> None:
    build(runs, tmp_path / "site")
    place = tmp_path / "site" / "runs" / OLD
    (runs / OLD / "evaluate" / "summary.json").write_text(json.dumps({"next": [{"text": "Look again"}]}), "utf-8")
    render(runs / OLD)
    assert build(runs, tmp_path / "site").built == (OLD,)
    assert "Look again" in (place / "report.html").read_text(encoding="utf-8")
    (runs / OLD / "report.html").unlink()
    assert build(runs, tmp_path / "site").built == (OLD,)
    assert not (place / "report.html").exists()
    assert "no report" in Page(place / "index.html").words


def test_a_page_that_was_lost_or_cut_is_made_again(runs: Path, tmp_path: Path) -> None:
    build(runs, tmp_path / "site")
    whole = contents(tmp_path / "site")
    (tmp_path / "site" / "runs" / OLD / "run.js").write_text("", "utf-8")
    shutil.rmtree(tmp_path / "site" / "runs" / NEW)
    assert set(build(runs, tmp_path / "site").built) == {OLD, NEW}
    assert contents(tmp_path / "site") == whole


def test_a_run_that_is_no_more_keeps_its_page_until_prune(runs: Path, tmp_path: Path) -> None:
    build(runs, tmp_path / "site")
    shutil.rmtree(runs / OLD)
    built = build(runs, tmp_path / "site")
    assert (built.gone, built.pruned) == ((OLD,), ())
    assert "run folder removed" in Page(built.index).words
    assert dead_links(built.index) == []
    built = build(runs, tmp_path / "site", prune=True)
    assert (built.gone, built.pruned) == ((), (OLD,))
    assert not (tmp_path / "site" / "runs" / OLD).exists()
    assert [row["data-n"] for row in Page(built.index).rows] == [NEW]


def test_a_site_never_removes_what_its_state_has_no_right_to_name(runs: Path, tmp_path: Path) -> None:
    site = build(runs, tmp_path / "site").index.parent
    said = json.loads((site / FILE).read_text(encoding="utf-8"))
    said["runs"] = {"../../precious": said["runs"][OLD], **said["runs"]}
    (site / FILE).write_text(json.dumps(said), encoding="utf-8")
    (tmp_path / "precious").mkdir()
    assert build(runs, site, prune=True).pruned == ()
    assert (tmp_path / "precious").is_dir()
    assert not any(map(is_name, ("", ".", "..", "a/b", "/a", "a\\b")))


KILLED = """
import os, signal, sys
from pathlib import Path
from mlopskit.runner.site import beside, build, pages
left = int(sys.argv[3])
original = pages.of_run
def of_run(*arguments):
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return original(*arguments)
pages.of_run = of_run
build(Path(sys.argv[1]), Path(sys.argv[2]))
"""


def killed(runs: Path, site: Path, *, after: int) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, str(runs), str(site), str(after)], check=False)
    assert done.returncode == -signal.SIGKILL


def test_killed_half_way_the_old_site_stays_whole_and_the_next_build_ends_it(runs: Path, tmp_path: Path) -> None:
    index = build(runs, tmp_path / "site").index
    before = index.read_bytes()
    for number in (3, 4):
        made.make_run(runs, f"2026040{number}T000000Z-00000{number}", report=False)
    killed(runs, tmp_path / "site", after=1)
    assert index.read_bytes() == before
    assert dead_links(index) == []
    assert len(build(runs, tmp_path / "site").built) == 2
    assert contents(tmp_path / "site") == contents(build(runs, tmp_path / "anew").index.parent)


def test_a_first_build_that_was_killed_has_no_index_and_can_go_on(runs: Path, tmp_path: Path) -> None:
    killed(runs, tmp_path / "site", after=1)
    assert not (tmp_path / "site" / "index.html").exists()
    assert dead_links(build(runs, tmp_path / "site").index) == []


def test_drafts_of_a_killed_build_go_and_what_others_put_there_stays(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = build(runs, tmp_path / "site").index.parent / "runs" / OLD
    draft, note = place / ".report.html.0123.part", place / "note.txt"
    for path in (draft, note):
        path.write_text("half", encoding="utf-8")
    os.utime(runs / OLD / "run.json")
    build(runs, tmp_path / "site")
    assert draft.exists()  # another build may be at it
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 7200)
    os.utime(runs / OLD / "run.json")
    build(runs, tmp_path / "site")
    assert not draft.exists()
    assert note.read_text(encoding="utf-8") == "half"


@pytest.fixture
def many(runs: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Runs enough for two processes."""
    for number in range(3, 6):
        figures = {"curve": made.drawing(f"Drawing {number}."), "same": made.drawing("Drawn alike.")}
        made.make_run(runs, f"2026040{number}T000000Z-00000{number}", figures=figures)
    monkeypatch.setattr(sys.modules["mlopskit.runner.site.build"], "MANY", 5)
    return runs


def alone(runs: Path, site: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    with monkeypatch.context() as one:
        one.setattr(sys.modules["mlopskit.runner.site.build"], "MANY", 99)
        return contents(build(runs, site).index.parent)


def test_two_processes_make_the_same_site_as_one(many: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here: list[str] = []
    one = Making.one
    monkeypatch.setattr(Making, "one", lambda self, name, **more: (here.append(name), one(self, name, **more))[1])
    built = build(many, tmp_path / "site")
    assert len(here) == 3  # the other two were made elsewhere
    assert built.built == tuple(path.name for path in sorted(many.glob("2026*")))
    assert contents(tmp_path / "site") == alone(many, tmp_path / "alone", monkeypatch)
    assert build(many, tmp_path / "site").built == ()


@pytest.mark.parametrize("ends", ["raise SystemExit(3)", "print('[\"', end='')", "print('{}')", "print('[1, 2]')"])
def test_what_the_second_process_leaves_undone_is_done_by_the_first(
    many: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ends: str
) -> None:
    monkeypatch.setattr(beside, "_COMMAND", [sys.executable, "-c", ends])
    assert len(build(many, tmp_path / "site").built) == 5
    assert contents(tmp_path / "site") == alone(many, tmp_path / "alone", monkeypatch)


def test_a_build_that_fails_leaves_no_second_process(
    many: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pid = tmp_path / "pid"
    waits = f"import os, time, pathlib; pathlib.Path({str(pid)!r}).write_text(str(os.getpid())); time.sleep(600)"
    monkeypatch.setattr(beside, "_COMMAND", [sys.executable, "-c", waits])

    def fails(*_: object, **__: object) -> None:
        end = time.monotonic() + 180
        while not (pid.is_file() and pid.read_text()):
            assert time.monotonic() < end, "the second process did not begin"
            time.sleep(0.01)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Making, "one", fails)
    with pytest.raises(RunError, match="No space left"):
        build(many, tmp_path / "site")
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


def test_a_file_in_the_way_is_named(runs: Path, tmp_path: Path) -> None:
    site = build(runs, tmp_path / "site").index.parent
    shutil.rmtree(site / "runs" / NEW)
    (site / "runs" / NEW).write_text("mine", encoding="utf-8")
    with pytest.raises(RunError, match=rf"File exists: .*{NEW}"):
        build(runs, site)


def test_a_run_that_is_removed_while_its_pages_are_made_keeps_those_it_had(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = build(runs, tmp_path / "site").index.parent
    whole = contents(site / "runs")
    os.utime(runs / OLD / "run.json")

    def removing(run: Reading, **more: Any) -> dict[str, Any]:
        found = details_of(run, **more)
        shutil.rmtree(run.folder)
        return found

    monkeypatch.setattr(sys.modules["mlopskit.runner.site.making"], "details_of", removing)
    assert build(runs, site).built == ()
    assert contents(site / "runs") == whole
    assert dead_links(site / "index.html") == []
    assert build(runs, site).gone == (OLD,)


def test_a_new_run_that_is_removed_while_its_pages_are_made_is_not_listed(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = Making.one

    def removing(self: Making, name: str, **more: Any) -> Any:
        if name == OLD:
            shutil.rmtree(runs / OLD)
        return one(self, name, **more)

    monkeypatch.setattr(Making, "one", removing)
    built = build(runs, tmp_path / "site")
    assert built.built == (NEW,)
    assert [row["data-n"] for row in Page(built.index).rows] == [NEW]


def test_a_damaged_pointer_to_the_newest_run_names_none(runs: Path, tmp_path: Path) -> None:
    (runs / "latest").write_bytes(b"\xff\xfe")
    assert "latest" not in Page(build(runs, tmp_path / "site").index).words


def test_hostile_names_are_words_and_their_links_hold(tmp_path: Path) -> None:
    names = ["<b>&\"'#?%41 é", "javascript:alert(1)", "a\nb"]
    for name in names:
        made.make_run(
            tmp_path / "runs", name, project=made.HOSTILE, question=made.HOSTILE, label=made.HOSTILE,
            criteria=[made.criterion("not-met", name=made.HOSTILE)], parameters={"p": {made.HOSTILE: made.HOSTILE}},
        )  # fmt: skip
    index = build(tmp_path / "runs", tmp_path / "site").index
    page = Page(index)
    assert {row["data-n"] for row in page.rows} == set(names)
    assert page.tags.count("script") == 1
    assert made.HOSTILE in page.words
    assert dead_links(index) == []
    assert all(link.startswith(("runs/", "#")) for link in page.links)
    for name in names:
        place = tmp_path / "site" / "runs" / name
        assert "script" not in Page(place / "index.html").tags
        assert details(place / "run.js")["parameters"] == {f"p.{made.HOSTILE}": made.HOSTILE}


def test_a_name_that_is_no_text_gets_a_page(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9")
    made.make_run(tmp_path / "runs", NEW).rename(tmp_path / "runs" / name)
    index = build(tmp_path / "runs", tmp_path / "site").index
    assert "runs/caf%E9/index.html" in Page(index).links
    assert build(tmp_path / "runs", tmp_path / "site").built == ()


def test_damaged_running_and_unmarked_runs_are_listed_for_what_they_are(runs: Path, tmp_path: Path) -> None:
    (runs / OLD / "run.json").write_text("{", encoding="utf-8")
    (runs / "marks.json").write_text("{", encoding="utf-8")
    with present(runs / NEW):
        rows = {row["data-n"]: row["data-s"] for row in Page(build(runs, tmp_path / "site").index).rows}
    assert rows == {OLD: "damaged", NEW: "running"}
    assert build(runs, tmp_path / "site").built == (NEW,)  # it no longer runs


@pytest.mark.parametrize("said", ["[]", '{"run": "x", "criteria": 3, "headline": 4, "phases": [1]}', '{"run": null}'])
def test_a_manifest_in_another_form_does_not_stop_the_site(runs: Path, tmp_path: Path, said: str) -> None:
    (runs / OLD / "run.json").write_text(said, encoding="utf-8")
    assert len(Page(build(runs, tmp_path / "site").index).rows) == 2


@pytest.mark.parametrize(
    ("said", "date"),
    [
        ({"started": "0999-01-01T00:00:00Z"}, "0999-01-01"),
        ({"started": "0001-01-01T00:00:00+23:00"}, "2026-04-01"),  # before there were dates: its name's
        ({"headline": {"label": "ROC AUC", "value": 1.5e308, "low": -1.5e308, "high": 1.5e308}}, "2026-04-01"),
        ({"headline": {"label": "ROC AUC", "value": 5e-324, "low": -0.0, "high": None}}, "2026-04-01"),
    ],
)
def test_no_date_and_no_figure_keeps_the_others_from_being_listed_and_drawn(
    runs: Path, tmp_path: Path, said: dict[str, Any], date: str
) -> None:
    made.copy_run(runs / NEW, "20260401T000000Z-000003", **{"started": ""} | said)
    page = Page(build(runs, tmp_path / "site").index)
    assert {row["data-n"]: row["data-d"] for row in page.rows} == {
        OLD: "2026-01-01", NEW: "2026-03-01", "20260401T000000Z-000003": date,
    }  # fmt: skip
    text = (tmp_path / "site" / "index.html").read_text(encoding="utf-8")
    drawn = text[text.index('<svg class="over-time"') : text.index("</svg>")]
    assert drawn.count("<circle") >= 2
    assert not re.search(r"nan|inf", re.sub(r"<title>.*?</title>", "", drawn))


def test_a_damaged_state_makes_everything_anew(runs: Path, tmp_path: Path) -> None:
    site = build(runs, tmp_path / "site").index.parent
    whole = contents(site)
    for text in ("{", '{"version": 1, "runs": {"a": 1}}', '{"version": 99}'):
        (site / FILE).write_text(text, encoding="utf-8")
        assert set(build(runs, site).built) == {OLD, NEW}
        assert contents(site) == whole


def test_another_folder_is_left_alone(runs: Path, tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "mine.txt").write_text("mine", encoding="utf-8")
    for into, words in ((tmp_path / "docs", "is no site"), (tmp_path, "is no site"), (runs, "among the runs"),
                        (runs / "site", "among the runs")):  # fmt: skip
        with pytest.raises(RunError, match=words):
            build(runs, into)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["docs", "runs"]
    with pytest.raises(RunError, match="cannot be written"):
        build(runs, tmp_path / "docs" / "mine.txt" / "site")


def test_an_update_of_mlopskit_makes_all_pages_anew(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(runs, tmp_path / "site")
    monkeypatch.setattr(pages, "__version__", "99.0")
    before = stamps(tmp_path / "site")
    assert set(build(runs, tmp_path / "site").built) == {OLD, NEW}
    report = f"runs/{OLD}/report.html"
    assert stamps(tmp_path / "site")[report] == before[report]  # what is the same is not copied again


def test_every_page_has_a_policy_that_names_its_own_style_and_script(runs: Path, tmp_path: Path) -> None:
    site = build(runs, tmp_path / "site").index.parent
    for path in (site / "index.html", site / "runs" / OLD / "index.html"):
        text = path.read_text(encoding="utf-8")
        policy = re.search(r'Security-Policy" content="([^"]*)"', text)[1].replace("&#39;", "'")  # type: ignore[index]
        style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)[1]  # type: ignore[index]
        script = re.search(r"<script>(.*?)</script>", text, re.DOTALL)
        assert policy == pages.content_security_policy(style, script[1] if script else "")
        assert "'unsafe" not in policy
        assert policy.startswith("default-src 'none'")


def test_details_hold_what_a_comparison_needs(runs: Path) -> None:
    shapes: dict[str, Any] = {}
    found = json.loads(json.loads(script_of(details_of(Reading.open(runs / NEW), shapes=shapes))[12:-3]))
    assert found["metrics"][0] == ["", "", "roc_auc", 0.86, 0.84, 0.88, 100]
    assert [row[:2] for row in found["groups"]] == [["gender", made.HOSTILE]]  # those on everyone repeat the metrics
    assert found["better"] == {"roc_auc": True, "log_loss": False, "recall": True}
    assert found["data"] == {"data/source.json": None, "data/test.parquet": [3, ["a"]]}
    assert list(shapes.values()) == [(3, ["a"])]
    assert found["code"]["data"]["work"] == "a = 1"
    assert found["problems"] == []


def test_details_of_a_run_without_tables_say_so(runs: Path) -> None:
    (runs / NEW / "evaluate" / "metrics.parquet").unlink()
    (runs / NEW / "slices_and_bias" / "groups.parquet").write_bytes(b"torn")
    found = details_of(Reading.open(runs / NEW), shapes={})
    assert (found["metrics"], found["groups"]) == (None, None)
    assert any("no evaluate/metrics.parquet" in text for text in found["problems"])
    assert any("groups.parquet is damaged" in text for text in found["problems"])


def test_a_script_is_plain_ascii_and_holds_infinity_as_a_word() -> None:
    said = {"</script>": [float("inf"), "\u2028é"], "__proto__": 1}
    text = script_of(said)
    assert text.isascii()
    assert "\n" not in text[:-1]
    assert json.loads(json.loads(text[12:-3])) == {**said, "</script>": ["inf", "\u2028é"]}


def entry(place: int, *, value: float | None = 0.8, label: str = "ROC AUC", project: str = "income") -> Entry:
    began = dt.datetime(2026, 1, 1, tzinfo=dt.UTC) + dt.timedelta(hours=place * 12)
    head = None if value is None else Headline(label, value, value - 0.01, value + 0.01)
    missed = (
        ("recall in every gender at least 0.6", "not-met"),
        ("difference of selection_rate at most 0.2", "undecided"),
    )
    return Entry(
        f"{began:%Y%m%dT%H%M%SZ}-{place:06x}", project, "Who earns more than 25,000 constant dollars a year?",
        "criteria-not-met", f"{began:%Y-%m-%dT%H:%M:%SZ}", head, 6, 8, missed, 2, ("report.html",),
    )  # fmt: skip


def test_the_index_of_500_runs_is_small_and_each_has_a_line_and_a_dot() -> None:
    entries = [entry(place, value=0.8 + place % 7 / 100) for place in range(500)]
    tags = {item.name: marks.Marks(("for-review",)) for item in entries}
    text = pages.index(entries, marked=tags, latest=entries[-1].name, gone=frozenset())
    assert len(text.encode()) < 1_000_000
    assert text.count("<tr data-n=") == text.count("<g data-i=") == 500


def test_each_figure_is_drawn_for_itself_and_a_lone_one_is_not() -> None:
    entries = [entry(0), entry(1), entry(2, label="MAE", value=3.0), entry(3, label="MAE", value=4.0)]
    drawn, left_out = charts([*entries, entry(4, label="once"), entry(5, value=None)])
    assert [item.title for item in drawn] == ["ROC AUC", "MAE"]
    assert left_out == 0
    assert "MAE of 2 runs from 2026-01-02 to 2026-01-02: 3 to 4; the newest" in drawn[1].words
    assert charts(entries, most=1)[1] == 1
    both, _ = charts([entry(0), entry(1), entry(2, project="b"), entry(3, project="b")])
    assert [item.title for item in both] == ["ROC AUC (income)", "ROC AUC (b)"]


@given(st.floats(-1e6, 1e6), st.floats(0, 1e6))
def test_ticks_span_the_figures_and_are_few(low: float, width: float) -> None:
    found = ticks(low, low + width)
    step = found[1] - found[0]
    assert found[0] <= low + 0.01 * step
    assert found[-1] >= low + width - 0.01 * step
    assert 2 <= len(found) <= 7


@pytest.mark.parametrize("value", [1.2e12, 3e97, 1.2e-9, 4_321.5, -2.5e7, 0.0])
def test_the_figures_of_an_axis_stand_beside_it_and_tell_its_lines_apart(value: float) -> None:
    heads = [Headline("MAE", value * part, value * part * 0.9, value * part * 1.1) for part in (1, 3, 8)]
    entries = [dataclasses.replace(entry(place), headline=head) for place, head in enumerate(heads)]
    (chart,), _ = charts(entries)
    found = re.findall(r'/><text x="(\d+)" y="[\d.-]+">([^<]+)</text>', chart.drawing)
    assert len(found) >= 2
    assert all(12 * len(text) <= int(right) for right, text in found)  # 12 a letter, on a phone
    numbers = [float(text.replace(",", "")) for _, text in found]
    lows, highs = [head.low for head in heads], [head.high for head in heads]
    assert numbers == sorted(set(numbers))
    assert (numbers[0], numbers[-1]) == pytest.approx(
        (min(numbers[0], *lows, *highs), max(numbers[-1], *lows, *highs)), rel=1e-6, abs=1e-16
    )


@pytest.mark.parametrize("apart", [1, 24, 170, 200, 7_200, 400_000])
def test_no_two_times_below_the_axis_read_alike(apart: int) -> None:
    began = dt.datetime(2026, 1, 1, 20, 42, 3, tzinfo=dt.UTC)
    times = [f"{began + dt.timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%SZ}" for seconds in (0, apart)]
    (chart,), _ = charts([dataclasses.replace(entry(0), name=time, began=time) for time in times])
    found = re.findall(r'<text class="when[^>]*>([^<]+)</text>', chart.drawing)
    assert len(found) >= 2
    assert found == sorted(set(found))


def test_equal_figures_are_drawn_in_the_middle() -> None:
    same = [dataclasses.replace(entry(0), name=str(place)) for place in range(2)]
    (chart,), _ = charts(same)
    assert "nan" not in chart.drawing
    assert chart.drawing.count("<circle") == 2


def test_the_command_says_what_it_did_and_where(runs: Path, tmp_path: Path) -> None:
    shown = CliRunner().invoke(APP, ["site", "--out", str(runs)])
    assert shown.output.splitlines() == [str(tmp_path / "site" / "index.html"), "2 built, 0 unchanged"]
    shutil.rmtree(runs / OLD)
    arguments = ["site", "--out", str(runs), "--into", str(tmp_path / "site")]
    assert "pages of 1 run stay" in CliRunner().invoke(APP, arguments).output
    said = json.loads(CliRunner().invoke(APP, [*arguments, "--prune", "--json"]).output)
    assert said == {
        "index": str(tmp_path / "site" / "index.html"),
        "built": [],
        "kept": [NEW],
        "gone": [],
        "pruned": [OLD],
    }


def test_a_shelf_without_runs_has_a_site_that_says_how_to_begin(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    assert "mlopskit run" in Page(build(tmp_path / "runs", tmp_path / "site").index).words
