"""A card has every field of its paper, says what the artefacts say and nothing else, and lets nothing from data act."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import runpy
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlopskit.errors import ProjectError, RunError
from mlopskit.runner.cards import DATA_CARD, FORMS, MODEL_CARD, cards, read_answers, render
from mlopskit.runner.cards.answers import skeleton
from mlopskit.runner.cards.content import Bar
from mlopskit.runner.cards.drawing import drawn
from mlopskit.runner.cards.markdown import escape
from mlopskit.runner.report import render as render_report

FAKE = runpy.run_path(str(Path(__file__).parent / "fake_run.py"))
HOSTILE = FAKE["HOSTILE"]
ESTIMATE = ["slice", "group", "n", "metric", "denominator", "value", "low", "high", "method", "status", "majority"]


class Page(HTMLParser):
    """The page as a browser's parser sees it: elements, text, and the rows of its tables."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.rows: list[list[str]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag == "tr":
            self.rows.append([])
        elif tag in {"td", "th"} and self.rows:
            self.rows[-1].append("")

    def handle_data(self, data: str) -> None:
        self.words.append(data)
        if self.rows and self.rows[-1]:
            self.rows[-1][-1] += data

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))


def estimates(*rows: tuple[Any, ...]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=ESTIMATE)


def rich_run(folder: Path, name: str = "Female") -> Path:
    """A finished run with what the phases write, one group bearing `name`."""
    FAKE["fake_run"](folder)
    overall = ("overall", "overall", 3616, "recall", 1004, 0.809, 0.783, 0.832, "Wilson", "estimated", 0.0)
    male = ("gender", "Male", 1900, "recall", 779, 0.91, 0.888, 0.928, "Wilson", "estimated", 0.0)
    female = ("gender", name, 1716, "recall", 225, 0.4578, 0.3939, 0.523, "Wilson", "estimated", 0.0)
    few = ("gender", "missing", 3, "recall", 1, None, None, None, None, "cannot-be-estimated", None)
    old = ("gender and age", "Female and 49–89", 300, "recall", 40, 0.1, 0.04, 0.23, "Wilson", "estimated", 0.0)
    young = ("gender and age", "Male and 18–28", 400, "recall", 90, 0.7, 0.6, 0.79, "Wilson", "estimated", 0.0)
    metrics = {"metric": ["roc_auc"], "value": [0.8553], "low": [0.8417], "high": [0.8678], "majority": [0.5],
               "method": ["DeLong"], "n": [3616], "status": ["estimated"], "meaning": ["ranks"]}  # fmt: skip
    quality = [("DAT004", "rows without target", "income", "issue", "23,810 rows have no income", 23810),
               ("DAT005", "class balance", "income", "passed", "fine", 1)]  # fmt: skip
    written: dict[str, Any] = {
        "scope/data": {"sensitive": ["gender"], "slices": [], "origin": "NORC", "licence": "public", "split": "time",
                       "modality": "tabular", "time": "year", "exclude": ["code"]},
        "scope/model": {"metric": "recall", "mitigation": None},
        "data/source": {"file_name": "rows.csv", "rows": 61697, "columns": 11, "sha256": "f8" * 32, "bytes": 343779},
        "data/target": {"task": "binary", "column": "income", "classes": ["low", name]},
        "data/columns": {"features": ["age", "gender"]},
        "data/split": pd.DataFrame({"split": ["train", "test"], "n": [10849, 3616], "share": [0.75, 0.25],
                                    "first": ["974", "1974"], "last": ["1994", "2018"]}),
        "data/quality": pd.DataFrame(quality, columns=["code", "check", "subject", "outcome", "detail", "n"]),
        "model/candidates": pd.DataFrame({"candidate": ["forest", "boosting"], "parameters": ["{}", '{"depth": 3}'],
                                          "metric": ["recall"] * 2, "value": [0.7, 0.8], "rank": [2, 1]}),
        "model/model": {"stands": "for the model"},
        "model/threshold": {"threshold": 0.2488, "objective": "balanced_accuracy"},
        "evaluate/metrics": pd.DataFrame(metrics),
        "slices_and_bias/groups": estimates(overall, male, female, few),
        "slices_and_bias/pairs": estimates(overall, young, old),
    }  # fmt: skip
    manifest = json.loads((folder / "run.json").read_text())
    for key, value in written.items():
        phase = next(item for item in manifest["phases"] if item["name"] == key.partition("/")[0])
        path = folder / f"{key}.{'parquet' if isinstance(value, pd.DataFrame) else 'json'}"
        if isinstance(value, pd.DataFrame):
            value.to_parquet(path)
        else:
            path.write_text(json.dumps(value))
        file = path.relative_to(folder).as_posix()
        phase["writes"] = [item for item in phase["writes"] if item["name"] != file]
        phase["writes"].append({"name": file, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()})
    (folder / "run.json").write_text(json.dumps(manifest))
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = rich_run(tmp_path_factory.mktemp("runs") / "20260304T050607-abc123")
    render_report(run)
    render(run)
    return run


def read(folder: Path, name: str) -> Page:
    return Page((folder / name).read_text(encoding="utf-8"))


def found(folder: Path, question: str) -> str:
    """What the run says on one field, as text."""
    answer = next(item for card in cards(folder) for item in card.answers if item.question.id == question)
    rows = [cell for part in answer.found.parts for row in getattr(part, "rows", ()) for cell in row]
    return " ".join([*(getattr(part, "text", "") for part in answer.found.parts), *rows])


def test_the_model_card_has_the_nine_sections_of_its_paper_and_their_fields() -> None:
    assert [section.title for section in MODEL_CARD.sections] == [
        "Model details", "Intended use", "Factors", "Metrics", "Evaluation data", "Training data",
        "Quantitative analyses", "Ethical considerations", "Caveats and recommendations",
    ]  # fmt: skip
    # Figure 1 of the paper lists nine details, three uses, two factors, three metrics, three of each data, two results.
    assert [len(section.questions) for section in MODEL_CARD.sections] == [9, 3, 2, 3, 3, 4, 2, 5, 4]


FIGURE_1 = """
Person or organisation developing the model | Model date | Model version | Model type
Training algorithms, parameters, fairness constraints or other applied approaches, and features
Paper or other resource for more information | Citation details | Licence
Where to send questions or comments about the model
Primary intended uses | Primary intended users | Out-of-scope use cases
Relevant factors | Evaluation factors
Model performance measures | Decision thresholds | Variation approaches
Datasets | Motivation | Preprocessing
Datasets | Motivation | Preprocessing | Distribution over the factors
Unitary results | Intersectional results
Data: does the model use any sensitive data | Human life | Mitigations | Risks and harms | Use cases
Did the results suggest any further testing | Relevant groups that were not represented in the evaluation dataset
Additional recommendations for model use | Ideal characteristics of an evaluation dataset
"""
"""Of the model card paper, in its words, with "the distribution over various factors" that training data should have
at the least, and the names of sections 4.8 and 4.9."""

DATASHEET = """
For what purpose was the dataset created | Who created the dataset | Who funded the creation of the dataset
What do the instances | How many instances | sample of a larger set | What data does each instance consist of
label or target associated with each instance | information missing from individual instances
relationships between individual instances | recommended data splits | errors, sources of noise, or redundancies
self-contained | confidential | offensive | subpopulations | identify individuals | sensitive in any way
acquired | mechanisms or procedures | sampling strategy | Who was involved | Over what timeframe
ethical review processes | individuals directly | notified | consent to the collection | revoked | potential impact
Was any preprocessing | “raw” data saved | software that was used
used for any tasks already | repository that links | What (other) tasks | might affect future uses
tasks for which the dataset should not be used
third parties outside of the entity | How will the dataset be distributed | When will the dataset be distributed
licence or terms of use | IP-based or other restrictions | export controls or other regulatory restrictions
supporting, hosting or maintaining | owner, curator or manager | erratum | Will the dataset be updated
limits on the retention | older versions | extend, build on or contribute
"""
"""What each question of the datasheet paper is told by, in its order, without “Any other comments?”."""


@pytest.mark.parametrize(("form", "paper"), [(MODEL_CARD, FIGURE_1), (DATA_CARD, DATASHEET)])
def test_fields_bear_the_names_of_their_paper_in_its_order(form: Any, paper: str) -> None:
    names = [name.strip() for line in paper.strip().splitlines() for name in line.split(" | ")]
    asked = [question.text for question in form if not question.optional]
    assert len(names) == len(asked)
    assert [(name, text) for name, text in zip(names, asked, strict=True) if name not in text] == []


def test_the_data_card_has_the_57_questions_of_its_paper() -> None:
    counts = {section.title: len(section.questions) for section in DATA_CARD.sections}
    assert counts == {
        "Motivation": 4, "Composition": 16, "Collection process": 12, "Preprocessing, cleaning and labelling": 4,
        "Uses": 6, "Distribution": 7, "Maintenance": 8,
    }  # fmt: skip
    assert sum(counts.values()) == 57


def test_every_id_is_unique_and_a_key_of_toml() -> None:
    ids = [question.id for form in FORMS for question in form]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"(model|data)\.[a-z]+\.[a-z_]+", name) for name in ids)


@pytest.mark.parametrize("suffix", ["html", "md"])
@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
def test_every_field_stands_in_the_file_whether_answered_or_not(folder: Path, form: Any, suffix: str) -> None:
    text = (folder / f"{form.name}.{suffix}").read_text(encoding="utf-8")
    text = Page(text).text if suffix == "html" else text
    assert [question.text for question in form if question.text not in text] == []
    assert [section.title for section in form.sections if section.title not in text] == []


def test_a_run_of_which_nothing_is_known_leaves_every_question_open(tmp_path: Path) -> None:
    render(tmp_path)
    for card in cards(tmp_path):
        assert card.count("open") == card.asked_for == sum(not question.optional for question in card.form)
        assert "Nothing is known of this run" in read(tmp_path, f"{card.form.name}.html").text
        assert (tmp_path / f"{card.form.name}.md").read_text().count("**Open question: ") == card.asked_for


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("model.details.type", "boosting, the best of 2 configurations"),
        ("model.details.training", "boosting with depth: 3."),
        ("model.use.primary", "Who earns more than 25,000 constant dollars a year?"),
        ("model.metrics.performance", "0.855 0.842 to 0.868 3,616 0.500"),
        ("model.metrics.performance", "recall in every gender at least 0.6 not met 0.512 0.471 to 0.553 ≥ 0.600"),
        ("model.metrics.thresholds", "a score of 0.249"),
        ("model.evaluation.datasets", "3,616 test rows, 25 % of all rows with a target; dated 1974 to 2018."),
        ("model.training.datasets", "10,849 train rows"),
        ("model.ethics.data", "Sensitive columns among its features: gender."),
        ("model.caveats.missing_groups", "1 of 4 groups have too few test rows for any measure: gender = missing."),
        ("data.composition.count", "61,697 rows of 11 columns."),
        ("data.composition.errors", "DAT004 rows without target income issue 23,810 rows have no income"),
        ("data.collection.timeframe", "dated 974 to 2018 in the column year"),
        ("data.distribution.licence", "public"),
    ],
)
def test_fields_say_what_the_artefacts_say(folder: Path, question: str, text: str) -> None:
    assert text in found(folder, question)


def test_groups_stand_worst_first_each_with_interval_rows_and_baseline(folder: Path) -> None:
    rows = [row[:7] for row in read(folder, "model_card.html").rows if row[:1] == ["gender"]]
    assert rows == [
        ["gender", "Female", "0.458", "0.394 to 0.523", "1,716", "225", "0.000"],
        ["gender", "Male", "0.910", "0.888 to 0.928", "1,900", "779", "0.000"],
    ]
    pairs = [row[1] for row in read(folder, "model_card.html").rows if row[:1] == ["gender and age"]]
    assert pairs == ["Female and 49–89", "Male and 18–28"]


def test_what_cannot_be_estimated_is_counted_and_said(folder: Path) -> None:
    said = "1 groups cannot be estimated, which does not mean that all is well there."
    assert said in read(folder, "model_card.html").text
    assert said in (folder / "model_card.md").read_text()


def test_answers_lead_to_their_artefact_and_its_hash(folder: Path) -> None:
    links = {attributes.get("href") for _, attributes in read(folder, "model_card.html").elements}
    assert "report.html#artefact-evaluate-metrics" in links
    assert 'id="artefact-evaluate-metrics"' in (folder / "report.html").read_text()
    sha256 = hashlib.sha256((folder / "evaluate" / "metrics.parquet").read_bytes()).hexdigest()
    markdown = (folder / "model_card.md").read_text()
    assert "([evaluate/metrics](evaluate/metrics.parquet))" in markdown
    assert f"| `evaluate/metrics.parquet` | `{sha256}` |" in markdown


def test_cards_elsewhere_stand_alone(folder: Path, tmp_path: Path) -> None:
    written = render(folder, folder=tmp_path / "away")
    assert [path.name for path in written.paths] == [
        "model_card.html",
        "model_card.md",
        "data_card.html",
        "data_card.md",
    ]
    pages = [read(tmp_path / "away", f"{form.name}.html") for form in FORMS]
    links = {str(attributes["href"]) for page in pages for _, attributes in page.elements if "href" in attributes}
    assert {link for link in links if not link.startswith("#")} == {"model_card.html", "data_card.html"}
    assert "](" not in (tmp_path / "away" / "model_card.md").read_text()


def test_the_project_files_open_questions_stand_in_the_card_with_their_reason(folder: Path) -> None:
    text = read(folder, "model_card.html").text
    assert "[deployment] max_latency_ms How long may one answer take? An answer that comes late is wrong." in text


def test_nothing_of_a_phase_that_failed_is_used(tmp_path: Path) -> None:
    rich_run(tmp_path)
    manifest = json.loads((tmp_path / "run.json").read_text())
    for phase in manifest["phases"][3:]:
        phase["status"] = "failed" if phase["name"] == "evaluate" else "never-ran"
    (tmp_path / "run.json").write_text(json.dumps(manifest | {"status": "failed", "criteria": []}))
    model, _ = cards(tmp_path)
    assert "evaluate, slices_and_bias, deploy, monitor" in model.warning
    assert found(tmp_path, "model.results.unitary") == ""
    assert "0.855" not in found(tmp_path, "model.metrics.performance")
    assert "boosting" in found(tmp_path, "model.details.type")


@pytest.mark.parametrize(
    "lost", ["run.json", "scope/data.json", "slices_and_bias/groups.parquet", "data/split.parquet"]
)
def test_a_torn_file_leaves_fields_open_and_the_cards_whole(tmp_path: Path, lost: str) -> None:
    rich_run(tmp_path)
    (tmp_path / lost).write_text("{")
    render(tmp_path)
    assert DATA_CARD.sections[-1].title in read(tmp_path, "data_card.html").text


@pytest.mark.parametrize(
    "name", [HOSTILE, FAKE["ONERROR"], "](javascript:alert(1)) | x `y` <b>", "{{ 7 * 7 }}", "\ud800"]
)
def test_nothing_from_data_becomes_markup(tmp_path: Path, name: str) -> None:
    run = rich_run(tmp_path, "x") if name == "\ud800" else rich_run(tmp_path, name)
    project = run / "scope" / "project.json"
    project.write_text(json.dumps(json.loads(project.read_text()) | {"name": name, "decision": name}))
    render(run)
    for form in FORMS:
        page = read(run, f"{form.name}.html")
        assert {tag for tag, _ in page.elements} & {"script", "img", "iframe", "b", "object"} == set()
        assert not any(key.startswith("on") for _, attributes in page.elements for key in attributes)
        if name != "\ud800":
            assert re.sub(r"\s+", " ", name) in page.text
        markdown = re.sub(r"`[^`\n]*`", "", (run / f"{form.name}.md").read_text())
        assert not re.search(r"<[a-z/]", markdown)
        assert "](javascript" not in markdown.replace(r"\]", "")


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
def test_pages_fetch_nothing_run_nothing_and_name_their_style_by_its_hash(folder: Path, form: Any) -> None:
    text = (folder / f"{form.name}.html").read_text(encoding="utf-8")
    page = Page(text)
    for tag, attributes in page.elements:
        assert tag not in {"script", "link", "img", "iframe", "base", "form"}
        assert "src" not in attributes
        assert "style" not in attributes
        assert not re.match(r"[a-z]+:|//", str(attributes.get("href", "#")))
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)
    assert style
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    policy = next(str(a["content"]) for _, a in page.elements if a.get("http-equiv") == "Content-Security-Policy")
    assert (
        policy
        == f"default-src 'none'; style-src 'sha256-{digest}'; font-src data:; base-uri 'none'; form-action 'none'"
    )
    assert not re.search(r"url\((?!data:font/woff2;)|@import", style[1])


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
def test_links_within_a_page_lead_somewhere_and_ids_are_unique(folder: Path, form: Any) -> None:
    page = read(folder, f"{form.name}.html")
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    inner = {str(attributes["href"])[1:] for _, attributes in page.elements if str(attributes.get("href"))[:1] == "#"}
    assert inner <= set(ids)


def test_rendering_twice_gives_equal_bytes_and_leaves_no_draft(folder: Path) -> None:
    before = {path.name: path.read_bytes() for path in folder.glob("*_card.*")}
    render(folder)
    assert {path.name: path.read_bytes() for path in folder.glob("*_card.*")} == before
    assert len(before) == 4
    assert not list(folder.glob("*.tmp*"))


def test_the_report_links_to_cards_beside_it_only(tmp_path: Path) -> None:
    rich_run(tmp_path)
    assert "model_card.html" not in render_report(tmp_path).read_text()
    render(tmp_path)
    assert '<a href="model_card.html">Model card</a>' in render_report(tmp_path).read_text()


def test_the_teams_answers_are_shown_as_theirs_beside_the_evidence(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "cards.toml"
    file.write_text(
        '[model.use]\nusers = "Interviewers <b>."\n[data.distribution]\nlicence = ["CC0.\\n\\nSince 2020."]\n'
    )
    given = read_answers(file)
    assert given.given["data.distribution.licence"] == ("CC0.", "Since 2020.")
    written = render(folder, folder=tmp_path / "cards", answers=given)
    page = read(tmp_path / "cards", "model_card.html")
    assert "by the team The team answers: Interviewers <b>." in re.sub(r"[✓ ]+", " ", page.text)
    assert hashlib.sha256(file.read_bytes()).hexdigest() in page.text
    assert "model.use.users" not in [question.id for question in written.model.open]
    markdown = (tmp_path / "cards" / "data_card.md").read_text()
    assert "Licence, as the project file has it: public." in markdown
    assert "> The team answers:\n>\n> CC0.\n>\n> Since 2020." in markdown


def test_an_empty_answer_answers_nothing(tmp_path: Path) -> None:
    file = tmp_path / "cards.toml"
    file.write_text(skeleton([question for form in FORMS for question in form]))
    assert read_answers(file).given == {}
    assert read_answers(tmp_path / "none.toml").given == {}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[model.use]\nuserz = 'x'", r"model\.use\.userz.*did you mean model\.use\.users"),
        ("[model.use]\nusers = 3", r"`model\.use\.users` must be text"),
        ("nonsense = 'x'", "no card asks for `nonsense`"),
        ("[model.use]\nusers = oops", "line 2: not valid TOML"),
    ],
)
def test_wrong_answers_are_refused_with_what_to_do(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "cards.toml").write_text(text)
    with pytest.raises(ProjectError, match=said):
        read_answers(tmp_path / "cards.toml")


def test_a_folder_that_cannot_be_written_is_said(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match=r"cannot be written.*--into"):
        render(folder, folder=tmp_path / "file" / "cards")


@given(st.text(max_size=60))
def test_escaped_text_opens_no_element_link_or_table_cell(text: str) -> None:
    made = escape(text)
    assert "<" not in made
    assert "\n" not in made
    assert not re.search(r"(?<!\\)(\\\\)*[|`\[\]*_]", made)
    assert "://" not in made


@pytest.mark.parametrize("together", [True, False])
def test_drawn_intervals_stay_inside_their_box(together: bool) -> None:
    bars = [Bar(0.5, 0.2, 0.9, 0.1, "bound"), Bar(-3.0, -4.0, 12.0), Bar(None, None, None), Bar(2.0, None, None, 2.0)]
    drawings = drawn(bars, together=together)
    assert [bool(drawing) for drawing in drawings] == [True, True, False, True]
    places = [float(x) for drawing in drawings for x in re.findall(r' (?:x1|x2|cx)="([\d.-]+)"', drawing)]
    assert all(0 <= x <= 160 for x in places)


def test_rows_of_one_table_share_one_scale() -> None:
    low, high = drawn([Bar(0.2, None, None), Bar(0.8, None, None)], together=True)
    centres = [float(re.findall(r'cx="([\d.]+)"', drawing)[0]) for drawing in (low, high)]
    assert centres == pytest.approx([8 + 144 * 0.2, 8 + 144 * 0.8], abs=0.1)


@pytest.mark.parametrize("junk", [None, 3, "x", [], {"a": 1}, ["a"], True, float("nan"), [{"a": 1}]], ids=repr)
def test_artefacts_of_another_form_leave_the_cards_whole(tmp_path: Path, junk: Any) -> None:
    """A project's own notebook may stand in for a phase and write what it likes under the same names."""
    rich_run(tmp_path)
    for path in [*tmp_path.glob("*/*.json"), *tmp_path.glob("*/*.parquet")]:
        if path.suffix == ".json":
            path.write_text(json.dumps(dict.fromkeys(json.loads(path.read_text()), junk)))
        else:
            frame = pd.read_parquet(path)
            cells = pd.Series([junk] * len(frame), dtype=object)
            frame.assign(**dict.fromkeys(frame.columns, cells)).to_parquet(path)
    render(tmp_path)
    assert DATA_CARD.sections[-1].title in read(tmp_path, "data_card.html").text


def test_a_name_that_turns_the_direction_of_the_text_turns_nothing(tmp_path: Path) -> None:
    run = rich_run(tmp_path, "a\u202eb")
    render(run)
    for form in FORMS:
        for suffix in (".html", ".md"):
            text = (run / f"{form.name}{suffix}").read_text(encoding="utf-8")
            assert "\u202e" not in text
    assert "a[U+202E]b" in (run / "model_card.html").read_text(encoding="utf-8")
