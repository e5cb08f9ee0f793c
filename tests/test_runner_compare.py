"""Two runs compared: causes, effects, what is noise, and what cannot be told."""

from __future__ import annotations

import hashlib
import html
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from mlopskit.cli import compare as command
from mlopskit.display import chart, figure
from mlopskit.runner.compare import Comparison, compare
from mlopskit.runner.compare_html import POLICY, page, write_html
from mlopskit.runner.compare_measures import Measured, compare_rows, differ, mover
from mlopskit.runner.manifest import Manifest, PhaseEntry
from mlopskit.runs import Run
from tests import tiny

pytestmark = pytest.mark.usefixtures("forked")

HOSTILE = "<script>alert(1)</script>\x1b[2J{x}"
APP = typer.Typer()
APP.command("diff")(command.diff)
APP.callback()(lambda: None)


def metric_row(name: str, value: float, low: float, high: float, **more: Any) -> dict[str, Any]:
    return {"metric": name, "value": value, "low": low, "high": high, "n": 100, **more}


def criterion(status: str, *, name: str = "recall at least 0.7") -> dict[str, Any]:
    return {"name": name, "metric": "recall", "scope": "overall", "side": "at_least", "status": status, "reason": "why"}


def make_run(
    runs: Path, name: str, *, body: str = "1", metrics: list[dict[str, Any]] | None = None,
    groups: list[dict[str, Any]] | None = None, test: Mapping[str, list[Any]] | None = None, bars: int = 1, **said: Any,
) -> Path:  # fmt: skip
    """A finished run of three phases, made by hand."""
    folder = runs / name
    run = Run(runs, folder, "data")
    run.write("source", {"source": "rows.csv", "rows": 3, "columns": 1, "sha256": "0" * 64})
    run.write("test", pd.DataFrame(test or {"a": [1, 2, 3]}))
    run.write("seconds", {"spent": name}, volatile=True)
    run.finish()
    run = Run(runs, folder, "evaluate")
    if metrics is not None:
        run.write("metrics", pd.DataFrame(metrics))
    fig, ax = figure()
    ax.plot([0, bars], [0, 1])
    run.write("roc_chart", chart(fig, alt=f"{bars} <b>"))
    run.finish()
    run = Run(runs, folder, "slices_and_bias")
    if groups is not None:
        run.write("groups", pd.DataFrame(groups))
    run.finish()
    phases = said.pop("phases", {"data": "done", "evaluate": "done", "slices_and_bias": "done"})
    for phase in phases:
        (folder / phase / "notebook.ipynb").write_text(json.dumps(tiny.phase_notebook(body, phase=phase)), "utf-8")
    given = {
        "parameters": {"data": {"seed": 0}},
        "environment": {"python": "3.11.7", "distributions": {"numpy": "2.4.0"}},
        "criteria": [],
        "status": "passed",
        **said,
    }
    entries = [PhaseEntry(phase, f"{phase}.ipynb", status) for phase, status in phases.items()]
    Manifest(run=name, project="p", started="2026", seed=0, git=None, phases=entries, **given).save(folder)
    return folder


RECALL = [metric_row("recall", 0.80, 0.77, 0.84)]


def test_mover_agrees_with_newcombes_published_example() -> None:
    # Newcombe (1998), table II, method 10, 56/70 against 48/80: difference 0.2, interval 0.0524 to 0.3339. The
    # Wilson intervals that go into it: 0.6910 to 0.8767 (56/70), 0.4904 to 0.7005 (48/80).
    def wilson(successes: int, total: int) -> tuple[float, float, float]:
        z, p = 1.959964, successes / total
        middle, half = p + z * z / (2 * total), z * math.sqrt(p * (1 - p) / total + z * z / (4 * total * total))
        return p, (middle - half) / (1 + z * z / total), (middle + half) / (1 + z * z / total)

    assert mover(wilson(48, 80), wilson(56, 70)) == pytest.approx((0.0524, 0.3339), abs=1e-4)


@given(*[st.tuples(*[st.floats(0, 1)] * 3).map(sorted)] * 2)
def test_mover_holds_the_difference_and_turns_round_with_the_runs(a: list[float], b: list[float]) -> None:
    before, after = ((low_mid_high[1], low_mid_high[0], low_mid_high[2]) for low_mid_high in (a, b))
    low, high = mover(before, after)
    assert low <= after[0] - before[0] <= high
    assert mover(after, before) == pytest.approx((-high, -low))


@pytest.mark.parametrize(
    ("after", "greater", "verdict"),
    [
        ((0.80, 0.77, 0.84), True, "equal"),
        ((0.78, 0.75, 0.82), True, "noise"),
        ((0.90, 0.86, 0.93), True, "better"),
        ((0.90, 0.86, 0.93), False, "worse"),  # 0.1 [0.043, 0.142]
        ((0.90, 0.86, 0.93), None, "different"),
        ((0.90, None, None), True, "unknown"),
        ((float("nan"), None, None), True, "unknown"),
    ],
)
def test_a_difference_inside_the_noise_is_said_to_be_so(after: Any, greater: bool | None, verdict: str) -> None:
    row = dict(zip(("value", "low", "high"), after, strict=True))
    found = differ(Measured(0.80, 0.77, 0.84), Measured.from_row(row), metric="m", greater_is_better=greater)
    assert found.verdict == verdict


def test_equal_runs_are_equal_whatever_time_they_took(tmp_path: Path) -> None:
    found = compare(make_run(tmp_path, "a", metrics=RECALL), make_run(tmp_path, "b", metrics=RECALL))
    assert (found.artefacts, found.worsened, found.exit_code, found.same_rows) == ((), (), 0, True)
    names = ("parameters", "environment", "distributions", "source", "code", "data", "criteria", "figures", "phases")
    assert {getattr(found, name) for name in names} == {()}
    assert [row.verdict for row in found.metrics] == ["equal"]
    assert "conservative" in found.method


def test_comparing_writes_nothing_into_the_runs(tmp_path: Path) -> None:
    folders = make_run(tmp_path, "a", metrics=RECALL, bars=1), make_run(tmp_path, "b", metrics=RECALL, bars=2)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    page(compare(*folders))
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_causes_are_told_by_name(tmp_path: Path) -> None:
    a = make_run(tmp_path, "a", body="x = 1\ny = 2")
    environment = {"python": "3.12.1", "distributions": {"numpy": "2.5.0", "scipy": "1.17"}}
    b = make_run(
        tmp_path, "b", body="x = 1\ny = 3", test={"a": [1, 2], "b": [1, 2]},
        parameters={"data": {"seed": 1}}, environment=environment,
    )  # fmt: skip
    found = compare(a, b)
    assert [(x.name, x.before, x.after) for x in found.parameters] == [("data.seed", 0, 1)]
    assert [(x.name, x.before, x.after) for x in found.environment] == [("python", "3.11.7", "3.12.1")]
    assert [(x.name, x.before) for x in found.distributions] == [("numpy", "2.4.0"), ("scipy", None)]
    (table,) = found.data
    assert (table.artefact, table.rows_before, table.rows_after) == ("data/test.parquet", 3, 2)
    assert (table.columns_added, table.columns_removed, found.same_rows) == (("b",), (), False)
    digests = [hashlib.sha256((run / "data" / "test.parquet").read_bytes()).hexdigest() for run in (a, b)]
    assert [table.digest_before, table.digest_after] == digests
    (said,) = (line for line in command.lines(found) if "data/test.parquet" in line)
    assert all(part in said for part in (*(digest[:8] for digest in digests), "rows 3 → 2", "+b"))
    assert {(cell.phase, cell.cell, cell.kind) for cell in found.code} == {
        (phase, "work", "changed") for phase in ("data", "evaluate", "slices_and_bias")
    }
    assert found.code[0].lines[1:] == (" x = 1", "-y = 2", "+y = 3")


def test_values_that_only_python_takes_for_equal_are_a_difference(tmp_path: Path) -> None:
    before, after = (make_run(tmp_path, name, parameters={"data": {"on": on}}) for name, on in (("a", 1), ("b", True)))
    assert [(x.name, x.before, x.after) for x in compare(before, after).parameters] == [("data.on", 1, True)]


def test_markdown_and_injected_parameters_are_no_code_but_order_is(tmp_path: Path) -> None:
    a, b = make_run(tmp_path, "a"), make_run(tmp_path, "b")
    path = b / "data" / "notebook.ipynb"
    notebook = json.loads(path.read_text("utf-8"))
    cells = notebook["cells"]
    cells[0]["source"] = "# Another title"
    cells.insert(2, tiny.code("n = 5", name="abc", tags=("injected-parameters",)))
    path.write_text(json.dumps(notebook), "utf-8")
    assert compare(a, b).code == ()
    cells[1], cells[3] = cells[3], cells[1]
    path.write_text(json.dumps(notebook), "utf-8")
    assert [(cell.cell, cell.kind) for cell in compare(a, b).code] == [("imports", "moved"), ("parameters", "moved")]


def test_metric_worse_beyond_noise_fails_and_slices_only_tell(tmp_path: Path) -> None:
    group = {"slice": "gender", "group": "f"}
    whole = {"slice": "overall", "group": "overall"}
    good, bad = metric_row("recall", 0.90, 0.86, 0.93), metric_row("recall", 0.80, 0.77, 0.84)
    a = make_run(tmp_path, "a", metrics=[good], groups=[{**good, **whole}, {**good, **group}])
    b = make_run(tmp_path, "b", metrics=[good], groups=[{**bad, **whole}, {**bad, **group}])
    c = make_run(tmp_path, "c", metrics=[bad], groups=[{**bad, **whole}, {**bad, **group}])
    assert [(row.slice, row.group) for row in compare(a, b).worse_slices] == [("gender", "f")]
    assert compare(a, b).exit_code == 0
    assert "Nothing got worse beyond noise overall; 1 of 1 measures of slices did</h2>" in page(compare(a, b))
    assert "Nothing got worse beyond noise</h2>" in page(compare(c, a))
    failed = compare(a, c)
    assert failed.worsened == ("metric recall: worse beyond noise",)
    assert (failed.exit_code, compare(c, a).exit_code) == (3, 0)


def test_rows_are_matched_by_slice_group_and_metric_not_by_place() -> None:
    one = metric_row("recall", 0.5, 0.4, 0.6, slice="s", group="x")
    two = metric_row("recall", 0.7, 0.6, 0.8, slice="s", group="y")
    found = compare_rows([one, two], [two, {**one, "group": "z"}], better={"recall": True})
    assert [(row.group, row.verdict) for row in found] == [("x", "unknown"), ("y", "equal"), ("z", "unknown")]


@pytest.mark.parametrize(
    ("before", "after", "code"),
    [("met", "undecided", 3), ("met", "not-met", 3), ("undecided", "not-met", 3), ("not-met", "met", 0),
     ("undecided", "met", 0), ("met", "met", 0), ("met", None, 3), ("not-met", None, 0)],
)  # fmt: skip
def test_a_criterion_that_fell_fails_and_silence_is_not_success(
    tmp_path: Path, before: str, after: str | None, code: int
) -> None:
    a = make_run(tmp_path, "a", criteria=[criterion(before)])
    b = make_run(tmp_path, "b", criteria=[criterion(after)] if after else [])
    found = compare(a, b)
    assert found.exit_code == code
    assert [(x.before, x.after) for x in found.criteria] == (
        [(before, after or "not judged")] if before != after else []
    )


def test_headline_takes_its_direction_from_the_metric_it_shows(tmp_path: Path) -> None:
    def made(name: str, value: float) -> Path:
        loss = metric_row("log_loss", value, value - 0.01, value + 0.01)
        return make_run(tmp_path, name, metrics=[loss], headline={**loss, "label": "Log loss", "phase": "evaluate"})

    headline = compare(made("a", 0.4), made("b", 0.5)).headline
    assert (headline.greater_is_better, headline.verdict) == (False, "worse")


def test_failed_run_is_said_and_is_worse(tmp_path: Path) -> None:
    a = make_run(tmp_path, "a", metrics=RECALL)
    phases = {"data": "done", "evaluate": "failed", "slices_and_bias": "never-ran"}
    found = compare(a, make_run(tmp_path, "b", phases=phases, status="failed"))
    assert found.worsened == ("phase evaluate: done → failed", "phase slices_and_bias: done → never-ran")
    assert "b: no evaluate/metrics.parquet to compare" in found.problems
    assert found.exit_code == 3


def test_a_phase_that_the_second_run_lacks_is_not_there(tmp_path: Path) -> None:
    a, b = make_run(tmp_path, "a"), make_run(tmp_path, "b", phases={"data": "done", "evaluate": "done"})
    assert compare(a, b).worsened == ("phase slices_and_bias: done → not there",)


def test_what_a_damaged_manifest_does_not_say_is_no_change(tmp_path: Path) -> None:
    a, b = make_run(tmp_path, "a", metrics=RECALL), make_run(tmp_path, "b", metrics=RECALL)
    (b / "run.json").write_text("{", "utf-8")
    found = compare(a, b)
    assert (found.parameters, found.environment, found.distributions, found.criteria) == ((), (), (), ())
    assert [row.verdict for row in found.metrics] == ["equal"]


def test_of_several_rows_of_a_criterion_the_gravest_counts_and_tells_why(tmp_path: Path) -> None:
    rows = [{**criterion(status), "reason": why} for status, why in (("not-met", "too low"), ("met", "well"))]
    a, b = make_run(tmp_path, "a", criteria=[criterion("met")]), make_run(tmp_path, "b", criteria=rows)
    (found,) = compare(a, b).criteria
    assert (found.after, found.reason) == ("not-met", "too low")


def test_a_headline_that_two_metrics_share_takes_the_direction_that_they_share(tmp_path: Path) -> None:
    def made(name: str, value: float, *metrics: str) -> Path:
        rows = [metric_row(metric, value, value - 0.01, value + 0.01) for metric in metrics]
        return make_run(tmp_path, name, metrics=rows, headline={**rows[0], "label": "Score", "phase": "evaluate"})

    alike = compare(made("a", 0.9, "recall", "precision"), made("b", 0.8, "recall", "precision"))
    apart = compare(made("c", 0.9, "recall", "log_loss"), made("d", 0.8, "recall", "log_loss"))
    assert [found.headline.verdict for found in (alike, apart)] == ["worse", "different"]


def test_very_large_and_very_small_measures_can_be_read(tmp_path: Path) -> None:
    def made(name: str, large: float, small: float) -> Path:
        rows = [metric_row("mean_absolute_error", large, large * 0.99, large * 1.01), metric_row("mse", small, 0, 1e-6)]
        return make_run(tmp_path, name, metrics=rows)

    found = compare(made("a", 2.2e13, 1.2e-7), made("b", 1.1e13, 2.4e-7))
    for text in ("\n".join(command.lines(found)), page(found)):
        for part in ("2.200e+13", "-1.100e+13", "1.200e-07"):
            assert part in text
    assert "1 artefact differs; nothing got worse" in "\n".join(command.lines(found))


@pytest.mark.parametrize(
    "torn",
    ["{ torn", "[]", '{"run": "b", "phases": 3, "criteria": {}, "parameters": []}',
     '{"run": "b", "phases": [{"name": "data", "status": 7}]}'],
)  # fmt: skip
def test_damage_is_said_and_never_a_crash(tmp_path: Path, torn: str) -> None:
    a, b = make_run(tmp_path, "a", metrics=RECALL), make_run(tmp_path, "b", metrics=RECALL)
    (b / "run.json").write_text(torn, "utf-8")
    (b / "evaluate" / "metrics.parquet").write_bytes(b"PAR1 rubbish")
    (b / "data" / "notebook.ipynb").write_text("no", "utf-8")
    found = compare(a, b)
    assert any("evaluate/metrics.parquet is damaged" in text for text in found.problems)
    assert found.exit_code == 1
    assert "damaged" in page(found)
    json.dumps(found.as_dict(), allow_nan=False)


@pytest.mark.parametrize("side", ["a", "b"])
@pytest.mark.parametrize(("harm", "word"), [(lambda path: path.write_bytes(b"x"), "damaged"), (Path.unlink, "gone")])
def test_what_is_damaged_or_gone_is_not_called_equal(tmp_path: Path, side: str, harm: Any, word: str) -> None:
    a, b = make_run(tmp_path, "a", metrics=RECALL), make_run(tmp_path, "b", metrics=RECALL)
    assert compare(a, b).exit_code == 0
    harm(tmp_path / side / "data" / "test.parquet")
    found = compare(a, b)
    assert found.exit_code == 1
    assert [text.split(",")[0] for text in found.problems] == [f"{side}: data/test.parquet is {word}"]
    said = "\n".join(command.lines(found))
    assert "What is damaged could not be compared" in said
    assert "equal" not in said
    assert "Not fully compared" in page(found)


def test_variables_that_a_run_from_before_did_not_record_are_no_change(tmp_path: Path) -> None:
    a = make_run(tmp_path, "a", environment={"python": "3.11"})
    b = make_run(tmp_path, "b", environment={"python": "3.12", "variables": {"TZ": "UTC"}})
    c = make_run(tmp_path, "c", environment={"python": "3.12", "variables": {"TZ": "Asia/Tokyo"}})
    assert [item.name for item in compare(a, b).environment] == ["python"]
    assert [(item.name, item.after) for item in compare(b, c).environment] == [("variables.TZ", "Asia/Tokyo")]


def test_artefacts_that_differ_are_named(tmp_path: Path) -> None:
    a, b = (make_run(tmp_path, name, metrics=RECALL[:count]) for name, count in (("a", 1), ("b", 0)))
    said = command.lines(compare(a, b))
    assert said[said.index("Other artefacts that differ") + 1] == "  evaluate/metrics.parquet"


def hostile_pair(folder: Path) -> Comparison:
    rows = [
        metric_row("recall", value, value - 0.01, value + 0.01, slice=HOSTILE, group=HOSTILE) for value in (0.9, 0.5)
    ]
    a = make_run(
        folder, "a", body=f"x = {HOSTILE!r}", metrics=RECALL, groups=rows[:1], criteria=[criterion("met", name=HOSTILE)]
    )  # fmt: skip
    b = make_run(
        folder, "b", body="2", metrics=RECALL, groups=rows[1:], bars=2, test={HOSTILE: [1]},
        parameters={HOSTILE: {HOSTILE: HOSTILE}}, environment={HOSTILE: HOSTILE, "distributions": {HOSTILE: HOSTILE}},
    )  # fmt: skip
    return compare(a, b)


def test_page_is_self_contained_escaped_and_shows_figures_side_by_side(tmp_path: Path) -> None:
    found = hostile_pair(tmp_path)
    text = write_html(found, tmp_path / "new" / "o.html").read_text("utf-8")
    assert "<script" not in text
    assert "&lt;script&gt;" in text
    assert "http" not in text.replace('http-equiv="Content-Security-Policy"', "")
    assert [item.name for item in found.figures] == ["evaluate/roc_chart.svg"]
    assert text.count('<img src="data:image/svg+xml;base64,') == 2
    assert 'alt="2 &lt;b&gt;"' in text
    assert POLICY.startswith("default-src 'none'")
    assert POLICY in html.unescape(text)
    assert "prefers-color-scheme: dark" in text


def test_terminal_is_plain_text_without_control_characters(tmp_path: Path) -> None:
    text = "\n".join(command.lines(hostile_pair(tmp_path)))
    assert "\x1b" not in text
    assert all(char.isprintable() or char == "\n" for char in text)
    for part in ("Parameters", "Distributions", "Code", "Criteria", "Slices worse beyond noise (1 of 1 measures"):
        assert part in text


def test_command_prints_json_writes_the_page_and_exits_for_ci(tmp_path: Path) -> None:
    make_run(tmp_path, "a", metrics=[metric_row("recall", 0.90, 0.86, 0.93)])
    make_run(tmp_path, "b", metrics=RECALL)
    target = tmp_path / "o.html"
    options = ["--out", str(tmp_path), "--html", str(target)]
    done = CliRunner().invoke(APP, ["diff", "a", "b", *options, "--json"])
    assert (done.exit_code, target.is_file()) == (3, True)
    said = json.loads(done.stdout)
    assert (said["exit_code"], said["metrics"][0]["verdict"]) == (3, "worse")
    assert said["metrics"][0]["low"] == pytest.approx(-0.1 - math.hypot(0.03, 0.03))
    done = CliRunner().invoke(APP, ["diff", "a", "a", *options])
    assert done.exit_code == 0
    assert "Every artefact is equal" in done.stdout


@pytest.mark.notebooks
def test_real_runs_differ_where_a_parameter_changed_them(project: Path) -> None:
    phases = tiny.make_project(project / "p", {"one": "run.write('x', {'n': n})", "two": "run.write('y', {'k': 1})"})
    first = tiny.run(project / "p", phases)
    second = tiny.run(project / "p", phases, "one.n=3")
    found = compare(first.folder, second.folder)
    assert [(x.name, x.before, x.after) for x in found.parameters] == [("one.n", 1, 3)]
    assert (found.artefacts, found.code, found.exit_code) == (("one/x.json",), (), 0)
