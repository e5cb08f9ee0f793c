"""The project file: what it says, what is wrong with it, what it leaves open."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlopskit.errors import ProjectError
from mlopskit.scope import Criterion, Scope, brief, open_questions


def test_minimal_project_file_is_enough(minimal: str) -> None:
    scope = Scope.parse(minimal)
    assert (scope.data.target, scope.data.positive, scope.data.split) == ("bought", "yes", "stratified")


@pytest.mark.parametrize("name", ["income", "mortgage", "digits"])
def test_every_shipped_project_file_is_valid(repo: Path, name: str) -> None:
    scope = Scope.load(repo / "templates" / "project" / f"{name}.toml")
    assert scope.data.source == f"example:{name}"
    assert scope.criterion, "an example without acceptance criteria teaches the wrong thing"


def test_the_checkout_is_the_income_project(repo: Path) -> None:
    assert (repo / "mlops.toml").read_bytes() == (repo / "templates" / "project" / "income.toml").read_bytes()


def test_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="mlopskit new"):
        Scope.load(tmp_path / "mlops.toml")


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mlops.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ProjectError, match="UTF-8"):
        Scope.load(path)


def test_number_of_thousands_of_digits_is_refused_in_a_sentence(minimal: str) -> None:
    with pytest.raises(ProjectError, match=r"mlops\.toml: .*4300 digits.*nothing was run"):
        Scope.parse(f"{minimal}\nrow_id = {'1' * 5000}")


def test_number_beyond_a_float_is_refused_and_a_written_infinity_is_not(minimal: str) -> None:
    with pytest.raises(ProjectError, match=r"1e400 is too large for a float"):
        Scope.parse(f"{minimal}\n[[criterion]]\nmetric = 'recall'\nat_least = 1e400")
    text = minimal + "\n[[phase]]\nname = 'model'\n[phase.parameters]\nmost = {}\n"
    assert [Scope.parse(text.format(word)).phase[0].parameters["most"] for word in ("inf", "-inf", "1e300")] == [
        float("inf"), float("-inf"), 1e300,
    ]  # fmt: skip


def test_malformed_toml_is_refused_with_its_line(minimal: str) -> None:
    with pytest.raises(ProjectError, match=r"mlops\.toml, line 10: not valid TOML"):
        Scope.parse(minimal + "[model\n")


def test_unknown_key_is_refused_with_line_and_nearest_name(minimal: str) -> None:
    with pytest.raises(ProjectError, match=r"line 10: unknown key `data\.sensitve` \(did you mean sensitive\?\)"):
        Scope.parse(minimal + 'sensitve = ["a"]\n')


def test_every_problem_is_named_at_once(minimal: str) -> None:
    text = minimal.replace('"binary"', '"binry"') + "[model]\nbudget = 0\n"
    with pytest.raises(ProjectError, match="2 problems") as caught:
        Scope.parse(text)
    assert "data.task" in str(caught.value)
    assert "model.budget" in str(caught.value)


def test_problem_in_the_second_of_two_criteria_points_to_its_own_line(minimal: str) -> None:
    first, second = '[[criterion]]\nmetric = "f1"\nat_least = 0.5\n', '[[criterion]]\nmetrik = "f1"\nat_least = 0.5\n'
    with pytest.raises(ProjectError, match="line 14: unknown key"):
        Scope.parse(minimal + first + second)


def test_a_number_is_not_taken_for_a_string(minimal: str) -> None:
    with pytest.raises(ProjectError, match=r"`data\.target` = 3"):
        Scope.parse(minimal.replace('"bought"', "3"))


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("positive_above = 3", "not both"),
        ('split = "time"', "needs `time`"),
        ('split = "group"', "needs `group`"),
        ("production_from = 1999", "needs `time`"),
        ('exclude = ["bought"]', "stands in `exclude` too"),
    ],
)
def test_contradictions_in_data_are_refused(minimal: str, line: str, sentence: str) -> None:
    with pytest.raises(ProjectError, match=sentence):
        Scope.parse(f"{minimal}{line}\n")


def test_a_binary_task_needs_a_positive_class(minimal: str) -> None:
    with pytest.raises(ProjectError, match="label of the positive class"):
        Scope.parse(minimal.replace('positive = "yes"\n', ""))


@pytest.mark.parametrize("kind", ["rule", "literature", "previous", "human"])
def test_a_baseline_says_what_it_lacks(minimal: str, kind: str) -> None:
    with pytest.raises(ProjectError, match=f"a baseline of kind '{kind}' needs"):
        Scope.parse(f'{minimal}[[baseline]]\nkind = "{kind}"\n')


def test_a_criterion_has_one_bound_and_one_scope(minimal: str) -> None:
    with pytest.raises(ProjectError, match="exactly one of"):
        Scope.parse(minimal + '[[criterion]]\nmetric = "f1"\n')
    both = '[[criterion]]\nmetric = "f1"\nat_least = 0.1\nbetween = "a"\ngain_over = "linear"\n'
    with pytest.raises(ProjectError, match="not several"):
        Scope.parse(minimal + both)


def test_criterion_name_says_all_that_it_asks() -> None:
    gap = Criterion.model_validate({"metric": "recall", "at_most": 0.1, "between": "sex", "as": "ratio"})
    assert gap.name == "ratio of recall between sex at most 0.1"
    assert gap.bound == 0.1


def test_what_is_left_out_is_asked_and_never_assumed(minimal: str) -> None:
    asked = {(question.table, question.key) for question in open_questions(Scope.parse(minimal))}
    assert {("project", "question"), ("data", "licence"), ("deployment", "max_latency_ms"), ("criterion", "")} <= asked
    assert ("data", "target") not in asked


def test_answering_a_question_closes_it(minimal: str) -> None:
    before = open_questions(Scope.parse(minimal))
    after = open_questions(Scope.parse(f'{minimal}licence = "CC0"\n'))
    assert {question.key for question in before} - {question.key for question in after} == {"licence"}


def test_an_undecided_criterion_without_an_answer_is_an_open_question(minimal: str) -> None:
    criterion = '[[criterion]]\nmetric = "f1"\nat_least = 0.5\n'
    keys = [question.key for question in open_questions(Scope.parse(minimal + criterion))]
    assert "on_undecided" in keys
    keys = [question.key for question in open_questions(Scope.parse(f'{minimal}{criterion}on_undecided = "stop"\n'))]
    assert "on_undecided" not in keys


def test_tables_round_trip_through_plain_data(repo: Path) -> None:
    scope = Scope.load(repo / "mlops.toml")
    tables = scope.tables()
    assert Scope.model_validate(tables | {"parameters": scope.parameters}) == scope


def test_brief_shows_omissions_and_escapes_values(minimal: str) -> None:
    shown = brief.question(Scope.parse(minimal.replace('"demo"', '"demo"\nquestion = "<b>who?</b>"')))
    markup = shown._repr_html_()
    assert "&lt;b&gt;who?&lt;/b&gt;" in markup
    assert markup.count(brief.UNANSWERED) == 4


def test_summary_counts_open_questions_and_leads_back_to_scope(minimal: str) -> None:
    scope = Scope.parse(minimal)
    summary = brief.summary(scope)
    assert len(summary["next"]) == len(open_questions(scope))
    assert {step["phase"] for step in summary["next"]} == {"scope"}
    assert summary["statements"][0]["text"].startswith(f"{len(open_questions(scope))} questions are open")
