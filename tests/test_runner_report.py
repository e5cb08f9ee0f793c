"""The report says what the evidence says, exists whatever is missing, and lets nothing from data act."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import runpy
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlopskit import display
from mlopskit.runner.report import render
from mlopskit.runner.report.evidence import load
from mlopskit.runner.report.marks import interval, number
from mlopskit.runner.report.prose import markdown, terminal
from mlopskit.runner.report.safe import safe_html, safe_svg
from mlopskit.runner.report.verdict import judge
from mlopskit.runs import Record, append

FAKE = runpy.run_path(str(Path(__file__).parent / "fake_run.py"))
CSS = Path(__file__).parents[1] / "templates" / "report" / "report.css"


class Page(HTMLParser):
    """The page as a browser's parser sees it: elements with attributes, ids, text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))

    def ids(self) -> list[str]:
        return [str(attributes["id"]) for _, attributes in self.elements if "id" in attributes]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Page:
    folder = FAKE["fake_run"](tmp_path_factory.mktemp("runs") / "20260304T050607-abc123")
    return Page(render(folder).read_text(encoding="utf-8"))


@pytest.fixture
def failed(tmp_path: Path) -> Page:
    return Page(render(FAKE["fake_run"](tmp_path / "run", failed="model")).read_text(encoding="utf-8"))


def judged(folder: Path, **changes: Any) -> Any:
    """The verdict on a finished run whose manifest says something else."""
    FAKE["fake_run"](folder)
    for name in ("scope/open_questions", "monitor/alerts", "evaluate/criteria"):
        (folder / f"{name}.parquet").unlink()
    manifest = json.loads((folder / "run.json").read_text()) | changes
    (folder / "run.json").write_text(json.dumps(manifest))
    return judge(load(folder))


def criterion(status: str, **more: Any) -> dict[str, Any]:
    return {"name": f"recall {status}", "status": status, "value": 0.5, "low": 0.4, "high": 0.6, "bound": 0.5, **more}


def test_first_screen_answers_whether_how_sure_whom_worst_and_what_next(finished: Page) -> None:
    first = finished.text.partition("Acceptance criteria Each bound")[0]
    assert "Who earns more than 25,000 constant dollars a year?" in first
    assert "May this model be used? ✗ No" in first
    assert "2 of 4 acceptance criteria are met; 1 cannot be decided." in first
    assert "is not met: 0.512 (0.471 to 0.553) for Female." in first
    assert "0.861 0.848 to 0.874" in first
    assert "rule : 0.724" in first
    assert "women with less than high school" in first
    assert "Retrain with rows from 1995 on. → Data" in first
    assert "How long may one answer take?" in first


@pytest.mark.parametrize(
    ("criteria", "answer"),
    [
        ([criterion("met")], "yes"),
        ([criterion("met"), criterion("not-met")], "no"),
        ([criterion("met"), criterion("undecided", on_undecided="stop")], "unknown"),
        ([criterion("undecided")], "unknown"),
        ([criterion("met"), criterion("undecided", on_undecided="pass")], "conditions"),
        ([], "unknown"),
    ],
)
def test_verdict_follows_from_the_criteria(tmp_path: Path, criteria: list[dict[str, Any]], answer: str) -> None:
    assert judged(tmp_path / "run", criteria=criteria, status="passed").answer == answer


@pytest.mark.parametrize("left", ["scope/open_questions", "monitor/alerts"])
def test_alerts_and_open_questions_make_a_yes_conditional(tmp_path: Path, left: str) -> None:
    FAKE["fake_run"](tmp_path, criteria=[criterion("met")])
    for name in {"scope/open_questions", "monitor/alerts"} - {left}:
        (tmp_path / f"{name}.parquet").unlink()
    found = judge(load(tmp_path))
    assert found.answer == "conditions"
    assert re.search(r"^1 (alert|question) ", found.reasons[-1])


UNCHECKED = {
    "name": "roc_auc of b", "status": "could not check", "text": "roc_auc of b could not be checked: too few rows."
}  # fmt: skip


def monitored(folder: Path, *rows: dict[str, Any]) -> Path:
    """A run without open questions whose criteria are met, and what its monitoring looked at."""
    FAKE["fake_run"](folder, criteria=[criterion("met")])
    (folder / "scope/open_questions.parquet").unlink()
    pd.DataFrame(rows).to_parquet(folder / "monitor/alerts.parquet")
    return folder


def test_a_check_that_could_not_be_made_is_a_condition_and_not_counted_as_passed(tmp_path: Path) -> None:
    folder = monitored(tmp_path, {"name": "roc_auc", "status": "ok"}, UNCHECKED)
    assert judge(load(folder)).answer == "conditions"
    text = Page(render(folder).read_text(encoding="utf-8")).text
    alerts = text.partition("What to do next")[2]
    assert "△ None: 1 check of the rehearsed production, no threshold crossed. 1 of 2 checks could not be" in alerts
    assert UNCHECKED["text"] in text.partition("What is not known")[2].partition("What to do next")[0]


def test_where_nothing_could_be_checked_no_alert_is_no_good_news(tmp_path: Path) -> None:
    text = Page(render(monitored(tmp_path, UNCHECKED)).read_text(encoding="utf-8")).text
    assert "Not known: 1 of 1 checks could not be made." in text
    assert "no threshold crossed" not in text


def test_what_is_not_known_names_the_undecided_beside_a_no_and_the_phases_that_have_no_result(
    finished: Page, failed: Page
) -> None:
    def unknown(page: Page) -> str:
        return page.text.partition("What is not known")[2].partition("What to do next")[0]

    assert "between gender at most 0.2” cannot be decided with these data" in unknown(finished)
    assert "What would have come of: Model, Evaluate, Slices and bias, Deploy, Monitor." in unknown(failed)


def test_whom_it_serves_worst_has_the_declared_groups_and_those_that_were_found(tmp_path: Path) -> None:
    FAKE["fake_run"](tmp_path)
    told = [("a is worst", "criteria"), ("a differs", "criteria"), ("the slice b is worst", "confirmed")]
    statements = [{"text": text, "tone": "bad", "artefact": f"slices_and_bias/{name}"} for text, name in told]
    (tmp_path / "slices_and_bias/summary.json").write_text(json.dumps({"statements": statements}), encoding="utf-8")
    card = Page(render(tmp_path).read_text(encoding="utf-8")).text.partition("For whom it works worst")[2]
    assert re.findall("a is worst|a differs|slice b is worst", card.partition("What is not")[0]) == [
        "a is worst",
        "slice b is worst",
    ]


@pytest.mark.parametrize(
    ("name", "message", "advice"),
    [
        ("KernelDied", "The kernel ended by SIGKILL.", "want of memory"),
        ("KernelDied", "The kernel ended with exit code 1.", "may say why"),
        ("RunnerDied", "The runner ended while this phase was running.", "ended the whole run"),
    ],
)
def test_what_to_do_fits_what_ended_the_phase_and_goes_on_with_this_run(
    tmp_path: Path, name: str, message: str, advice: str
) -> None:
    folder = FAKE["fake_run"](tmp_path / "20260304T050607Z-abc123", failed="model")
    manifest = json.loads((folder / "run.json").read_text())
    manifest["phases"][2] |= {"status": "killed", "error": {"name": name, "message": message}}
    (folder / "run.json").write_text(json.dumps(manifest))
    told = (
        Page(render(folder).read_text(encoding="utf-8")).text.partition("What to do")[2].partition("What is known")[0]
    )
    assert advice in told
    assert "mlopskit run --resume 20260304T050607Z-abc123" in told


@pytest.mark.parametrize("sign", ["\u202e", "\u2067", "\u202a"])
def test_a_name_that_turns_the_direction_of_the_text_is_shown_and_turns_nothing(tmp_path: Path, sign: str) -> None:
    FAKE["fake_run"](tmp_path)
    (tmp_path / "scope/project.json").write_text(json.dumps({"name": f"a{sign}b", "question": "Who?\ud800"}))
    text = render(tmp_path).read_text(encoding="utf-8")
    assert sign not in text
    assert f"a[U+{ord(sign):04X}]b" in text


def test_each_reason_of_the_verdict_leads_to_the_table_that_it_rests_on(tmp_path: Path) -> None:
    rows = [criterion("met"), criterion("undecided", on_undecided="pass", phase="evaluate")]
    text = render(FAKE["fake_run"](tmp_path, criteria=rows)).read_text(encoding="utf-8")
    reasons = re.findall(r"<li>(.*?)</li>", text.partition('class="verdict conditions"')[2].partition("</ul>")[0])
    assert [re.findall(r'href="#([\w-]+)"', reason) for reason in reasons] == [
        ["criteria"],
        ["artefact-evaluate-criteria"],
        ["artefact-monitor-alerts"],
        ["artefact-scope-open_questions"],
    ]


def test_a_run_that_did_not_end_is_never_called_usable(tmp_path: Path) -> None:
    assert judged(tmp_path / "run", criteria=[criterion("met")], status="interrupted").answer == "unknown"


@pytest.mark.parametrize(
    ("file", "told"), [("notebook.ipynb", "notebook was changed"), ("gap.json", "artefact evaluate/gap")]
)
def test_a_run_whose_files_were_changed_later_says_so_and_is_not_called_usable(
    tmp_path: Path, file: str, told: str
) -> None:
    home = FAKE["fake_run"](tmp_path, criteria=[criterion("met")]) / "evaluate"
    (home / "gap.json").write_text("1")
    for op, name in (("notebook", "notebook.ipynb"), ("write", "gap.json")):
        append(home, Record(op, f"evaluate/{name}", hashlib.sha256((home / name).read_bytes()).hexdigest()))
    assert judge(load(tmp_path)).answer == "conditions"
    (home / file).write_bytes((home / file).read_bytes() + b"\n")
    assert judge(load(tmp_path)).answer == "unknown"
    assert f"Not known Phase evaluate: its {told}" in Page(render(tmp_path).read_text(encoding="utf-8")).text
    said = json.loads((tmp_path / "run.json").read_text())
    (tmp_path / "run.json").write_text(json.dumps({**said, "criteria": [criterion("not-met")]}))
    text = Page(render(tmp_path).read_text(encoding="utf-8")).text
    assert f"What the run found in phase evaluate: its {told}" in text.partition("What is not known")[2]


def test_a_criterion_of_many_groups_counts_once_and_by_its_gravest(tmp_path: Path) -> None:
    rows = [{**criterion("met"), "name": "recall"}, {**criterion("not-met"), "name": "recall", "group": "b"}]
    found = judged(tmp_path / "run", criteria=rows, status="criteria-not-met")
    assert found.reasons[0] == "0 of 1 acceptance criteria are met."


def asked(folder: Path, **changes: Any) -> Path:
    """Lay down a run whose project file asks for three criteria and whose manifest says something else."""
    FAKE["fake_run"](folder, failed="deploy")
    table = [
        {"metric": "roc_auc", "at_least": 0.8},
        {"metric": "recall", "at_least": 0.6, "every_slice_of": "gender"},
        {"metric": "selection_rate", "at_most": 0.2, "between": "gender", "as": "difference"},
    ]
    (folder / "scope" / "criterion.json").write_text(json.dumps(table))
    (folder / "evaluate" / "criteria.parquet").unlink()
    manifest = json.loads((folder / "run.json").read_text()) | changes
    (folder / "run.json").write_text(json.dumps(manifest))
    return folder


def test_criteria_that_a_run_did_not_get_as_far_as_are_counted_and_named(tmp_path: Path) -> None:
    missed = {**criterion("not-met"), "name": "recall in every gender at least 0.6"}
    text = Page(render(asked(tmp_path, criteria=[missed])).read_text(encoding="utf-8")).text
    assert "0 of 3 acceptance criteria are met; 2 were not checked." in text
    assert "did not get as far as checking these. The project file asks for 3; of 2 it is not known" in text
    left = ("roc auc at least 0.8", "difference of selection rate between gender at most 0.2")
    assert " ".join(f"{name}: not checked" for name in left) in text
    assert "recall in every gender at least 0.6: not checked" not in text


def test_a_part_that_was_run_on_purpose_is_not_said_to_have_broken_off(tmp_path: Path) -> None:
    phases = [{"name": name, "status": "done" if name in ("scope", "data") else "never-ran"} for name in FAKE["TITLES"]]
    text = Page(render(asked(tmp_path, status="passed", phases=phases)).read_text(encoding="utf-8")).text
    assert "? Not known Only a part of the project was run; left out: model, evaluate," in text
    assert "did not end" not in text
    assert "did not get as far" not in text
    assert "left out of this run. The project file asks for 3; none is known to be met." in text
    assert "difference of selection rate between gender at most 0.2: not checked" in text
    assert "Run what was left out: mlopskit run takes over" in text


def test_failure_stands_on_top_with_place_message_and_advice(failed: Page) -> None:
    top = failed.text.partition("May this model be used?")[0]
    assert "Phase “Model” failed" in top
    assert "Where Fit the candidates" in top
    assert "ModelError : No candidate could be fitted <b>." in top
    assert "mlopskit run" in top
    assert "Phases that ended well: Scope , Data" in top
    assert "? Not known" in failed.text


def test_what_never_ran_is_said_and_not_shown_as_done(failed: Page) -> None:
    assert failed.text.count("This phase never ran") == 4
    assert "did not run" in failed.text


def test_each_phase_whose_kernel_died_says_how_and_its_last_cell_is_not_said_to_be_idle(tmp_path: Path) -> None:
    """A kernel that is killed has often no time to say the number of the cell."""
    code = {"cell_type": "code", "source": "fill()", "outputs": [], "execution_count": None}
    cells = [
        {**code, "id": "begun", "metadata": {"papermill": {"status": "failed"}}},
        {**code, "id": "waiting", "metadata": {"papermill": {"status": "pending"}}},
    ]
    phases = []
    for name, by in (("one", "SIGKILL"), ("two", "SIGTERM")):
        error = {"name": "KernelDied", "message": f"The kernel ended by {by}.", "id": "begun"}
        phases.append({"name": name, "status": "killed", "error": error})
        (tmp_path / name).mkdir()
        (tmp_path / name / "notebook.ipynb").write_text(json.dumps({"cells": cells}), encoding="utf-8")
    (tmp_path / "run.json").write_text(json.dumps({"status": "failed", "phases": phases}), encoding="utf-8")
    parts = Page(render(tmp_path).read_text(encoding="utf-8")).text.split(" Phase ")[-2:]
    assert ["KernelDied: The kernel ended by SIGKILL." in part for part in parts] == [True, False]
    assert ["KernelDied: The kernel ended by SIGTERM." in part for part in parts] == [False, True]
    assert [part.count("did not run") for part in parts] == [1, 1]


@pytest.mark.parametrize("lost", ["run.json", "evaluate/summary.json", "evaluate/notebook.ipynb", "scope/project.json"])
@pytest.mark.parametrize("how", ["absent", "torn"])
def test_a_missing_or_torn_file_keeps_no_report_from_being_made(tmp_path: Path, lost: str, how: str) -> None:
    folder = FAKE["fake_run"](tmp_path / "run")
    path = folder / lost
    if how == "absent":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:40])
    assert "May this model be used?" in Page(render(folder).read_text(encoding="utf-8")).text


def test_an_empty_folder_has_a_report_too(tmp_path: Path) -> None:
    text = Page(render(tmp_path).read_text(encoding="utf-8")).text
    assert "Not known" in text
    assert "No phase has left anything" in text


def test_every_link_inside_the_page_leads_somewhere_and_ids_are_unique(finished: Page) -> None:
    ids = finished.ids()
    assert len(ids) == len(set(ids))
    links = [
        str(attributes.get("href")) for tag, attributes in finished.elements if tag == "a" and "href" in attributes
    ]
    assert [link for link in links if link.startswith("#") and link[1:] not in ids] == []


def test_figures_lead_to_artefact_hash_and_cell(finished: Page) -> None:
    assert "artefact-evaluate-metrics" in finished.ids()
    assert ("a", {"class": "artefact", "href": "#artefact-evaluate-metrics"}) in finished.elements
    listed = finished.text.partition("Every figure above comes from")[2]
    assert "evaluate/metrics.parquet" in listed
    assert "Evaluation, cell" in listed


def test_nothing_from_data_becomes_an_element(finished: Page) -> None:
    assert [tag for tag, _ in finished.elements].count("script") == 1
    assert not {tag for tag, _ in finished.elements} & {"iframe", "object", "embed", "form", "base", "link"}
    assert not [name for _, attributes in finished.elements for name in attributes if name.startswith("on")]
    assert FAKE["HOSTILE"] in finished.text


def test_nothing_is_fetched(finished: Page) -> None:
    sources = [
        attributes.get(name) for _, attributes in finished.elements for name in ("src", "srcset", "data", "poster")
    ]
    assert [source for source in sources if source and not source.startswith("data:image/")] == []
    outward = [item for item in finished.elements if str(item[1].get("href", "")).startswith("http")]
    assert {tag for tag, _ in outward} <= {"a"}


def test_policy_names_the_script_by_its_hash(tmp_path: Path) -> None:
    text = render(FAKE["fake_run"](tmp_path / "run")).read_text(encoding="utf-8")
    script = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)[-1]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src &#39;sha256-{digest}&#39;" in text
    assert "default-src &#39;none&#39;" in text


def test_headings_descend_without_gaps(finished: Page) -> None:
    levels = [int(tag[1]) for tag, _ in finished.elements if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert [(a, b) for a, b in pairwise(levels) if b > a + 1] == []


def test_rendering_twice_gives_equal_bytes_and_leaves_no_draft(tmp_path: Path) -> None:
    folder = FAKE["fake_run"](tmp_path / "run")
    assert render(folder).read_bytes() == render(folder).read_bytes()
    assert not list(folder.glob("*.part"))


ATTACKS = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<a href='javascript:alert(1)'>x</a>",
    "<a href='java&#x73;cript:alert(1)'>x</a>",
    "<a href='data:text/html,<script>alert(1)</script>'>x</a>",
    "<svg><script>alert(1)</script></svg>",
    "<svg onload=alert(1)>",
    "<svg viewBox='0 0 1 1'><foreignObject><iframe src='javascript:alert(1)'/></foreignObject></svg>",
    "<svg viewBox='0 0 1 1'><use href='https://example.com/x.svg#a'/></svg>",
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
    "<p style='background:url(https://example.com/x)'>x</p>",
    "<div style='position:fixed;inset:0'>x</div>",
    "<a title=\"<svg viewBox='0 0 1 1'><title>' onclick='alert(1)</title></svg>\">x</a>",
    '<noscript><p title="</noscript><img src=x onerror=alert(1)>">',
    "<form action='https://example.com'><button formaction='javascript:alert(1)'>x</button></form>",
    "<meta http-equiv=refresh content='0;url=https://example.com'>",
    "<template><img src=x onerror=alert(1)></template>",
]


@pytest.mark.parametrize("attack", ATTACKS)
def test_no_attack_survives_as_an_element_or_attribute(attack: str) -> None:
    made = Page(f"<div>{safe_html(attack)}</div>")
    assert not {tag for tag, _ in made.elements} & {"script", "iframe", "form", "button", "meta", "style", "template"}
    for _, attributes in made.elements:
        assert not [name for name in attributes if name.startswith("on")]
        values = " ".join(str(value) for name, value in attributes.items() if name != "title")
        assert not re.search(r"javascript|data:text|example\.com|position", values)


@given(st.text(alphabet="<>/&\"'= \n-!sSvVgGtTeEiImMaAoOnN:;()\x00", max_size=80))
@settings(max_examples=150)
def test_sanitising_is_stable_whatever_is_thrown_at_it(text: str) -> None:
    tags = {tag for tag, _ in Page(safe_html(text)).elements}
    assert tags <= {"a", "div", "img", "ins", "i", "s", "p", "svg", "g", "title", "span", "em"}


def test_charts_survive_with_labels_clip_paths_and_house_colours() -> None:
    made, axes = display.figure()
    axes.plot([0, 1], [0, 1], color=display.colour(0))
    display.label_axes(axes, x="share <b> & more", y="rate")
    kept = safe_html(display.chart(made, alt='a "line"')._repr_html_())
    assert "share &lt;b&gt; &amp; more" in kept
    assert "clip-path=" in kept
    assert "<clipPath" in kept
    assert "var(--series-1)" in kept
    assert '<title>a "line"</title>' in kept


def test_a_drawing_with_entities_is_refused() -> None:
    bomb = '<svg viewBox="0 0 1 1">&lol;</svg>'
    assert "left out" in safe_svg(bomb)
    assert "left out" in safe_svg("no drawing at all")


def test_tables_of_users_get_a_box_to_scroll_in_that_the_keyboard_reaches() -> None:
    kept = safe_html("<table class='dataframe'><tr><td>1</td></tr></table>")
    assert kept.startswith('<div class="scroll" tabindex="0" role="group"')
    assert kept.endswith("</table></div>")


def test_markdown_shows_raw_html_as_text_and_keeps_pictures_from_elsewhere_out() -> None:
    made = markdown("# T\n\n<b>x</b> ![alt](https://example.com/x.png) [go](3_model.ipynb) [bad](javascript:alert(1))")
    assert "<h2>T</h2>" in made
    assert "&lt;b&gt;x&lt;/b&gt;" in made
    assert "<img" not in made
    assert '<a href="#phase-model">go</a>' in made
    assert "javascript" not in made


def test_terminal_text_loses_codes_and_overwritten_progress() -> None:
    assert terminal("\x1b[31mred\x1b[0m <b>") == "red &lt;b&gt;"
    assert terminal("10%\r100%\ndone") == "100%\ndone"
    assert terminal("x" * 30_000).endswith("… 10,000 more characters in the notebook")


@pytest.mark.parametrize("value", [None, "text", float("nan"), True])
def test_no_interval_is_drawn_for_what_is_no_number(value: Any) -> None:
    assert interval(value, 0.1, 0.2, mark=0.3) == ""


@given(st.floats(-1e6, 1e6), st.floats(0, 1e3), st.floats(-1e6, 1e6))
def test_interval_and_mark_lie_inside_the_drawing(value: float, half: float, mark: float) -> None:
    drawn = interval(value, value - half, value + half, mark=mark, width=220)
    places = [float(place) for place in re.findall(r' (?:x1|x2|cx)="([\d.-]+)"', drawn)]
    assert len(places) >= 7
    assert all(7.9 <= place <= 212.1 for place in places)


def test_numbers_read_as_a_person_would_write_them() -> None:
    assert [number(item) for item in (3428, 2.0, 0.5, None, "canary", "")] == [
        "3,428",
        "2",
        "0.500",
        "–",
        "canary",
        "–",
    ]


def luminance(colour: str) -> float:
    """Relative luminance by WCAG 2.2, worked out from its definition."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def themes() -> list[dict[str, str]]:
    blocks = re.findall(r"color-scheme: (?:light|dark);(.*?)\}", CSS.read_text(encoding="utf-8"), re.DOTALL)
    return [dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block)) for block in blocks]


@pytest.mark.parametrize("theme", [0, 1, 2])
def test_every_text_colour_has_the_contrast_of_wcag_aa_on_every_ground(theme: int) -> None:
    colours = themes()[theme]
    grounds = [name for name in colours if "ground" in name or name in {"surface", "sunk"}]
    texts = ["ink", "soft", "accent", "good", "warning", "bad", "keyword", "string", "number", "comment", "name"]
    for text in texts:
        for ground in grounds:
            light, dark = sorted((luminance(colours[text]), luminance(colours[ground])), reverse=True)
            assert (light + 0.05) / (dark + 0.05) >= 4.5, (text, ground)


def test_both_ways_to_a_dark_page_give_the_same_colours() -> None:
    light, automatic, chosen = themes()
    assert automatic == chosen
    assert set(automatic) == set(light)
