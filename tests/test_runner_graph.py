"""The graph: phases of one's own, and phases side by side."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlopskit.errors import ProjectError
from mlopskit.runner import PHASES, Phase
from mlopskit.runner.graph import graph, with_phase_parameters
from mlopskit.runner.phases import ancestors
from mlopskit.scope import Scope
from mlopskit.scope.tables import PhaseTable
from tests.tiny import PROJECT, make_project, manifest_of, run

pytestmark = pytest.mark.usefixtures("forked")


def tables(text: str) -> list[PhaseTable]:
    return Scope.model_validate({**tomllib.loads(PROJECT), **tomllib.loads(text)}).phase


def names(text: str) -> list[str]:
    return [phase.name for phase in graph(tables(text))]


def test_without_tables_the_seven_run_in_their_order() -> None:
    assert graph([]) == PHASES


def test_own_notebook_joins_in_behind_what_it_reads() -> None:
    made = graph(tables('[[phase]]\nname = "review"\nnotebook = "notebooks/review.ipynb"\nafter = ["evaluate"]'))
    assert made[-1] == Phase("review", "notebooks/review.ipynb", ("evaluate",))
    assert ancestors(made, "review") == {"scope", "data", "model", "evaluate"}


def test_phase_that_others_wait_for_stands_before_them() -> None:
    text = '[[phase]]\nname = "clean"\nnotebook = "clean.ipynb"\nafter = ["data"]\n'
    assert names(text + '[[phase]]\nname = "model"\nafter = ["clean"]')[:4] == ["scope", "data", "clean", "model"]


def test_dropped_phase_hands_its_place_on() -> None:
    made = graph(tables('[[phase]]\nname = "slices_and_bias"\ndrop = true'))
    assert next(phase for phase in made if phase.name == "deploy").after == ("evaluate", "model")


def test_phase_is_repeated_under_another_name_with_its_own_parameters() -> None:
    found = tables(
        '[[phase]]\nname = "model_b"\nnotebook = "notebooks/3_model.ipynb"\nafter = ["data"]\nparameters = {seed = 7}'
    )
    assert with_phase_parameters(found, {"model_b": {"seed": 1, "rounds": 2}})["model_b"] == {"seed": 7, "rounds": 2}
    assert sum(phase.notebook == "notebooks/3_model.ipynb" for phase in graph(found)) == 2


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('[[phase]]\nname = "modle"\nafter = ["data"]', "did you mean"),
        ('[[phase]]\nname = "review"\nnotebook = "r.ipynb"\nafter = ["evalute"]', "evaluate"),
        ('[[phase]]\nname = "data"\nafter = ["monitor"]', "circle"),
        ('[[phase]]\nname = "data"\n[[phase]]\nname = "data"', "twice"),
        ("".join(f'[[phase]]\nname = "{phase.name}"\ndrop = true\n' for phase in PHASES), "drops every phase"),
    ],
)
def test_graph_that_cannot_be_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(ProjectError, match=complaint):
        graph(tables(text))


def test_name_that_no_phase_can_have_is_refused_with_one_that_it_can() -> None:
    with pytest.raises(ValueError, match="takes lower-case letters, digits and _, a letter first, such as fairness"):
        PhaseTable(name="my-review", notebook="r.ipynb")


def test_all_that_is_wrong_with_a_graph_is_told_at_once() -> None:
    text = """
[[phase]]
name = "modle"
[[phase]]
name = "data"
after = ["evaluate", "nope"]
[[phase]]
name = "review"
notebook = "r.ipynb"
[[phase]]
name = "review"
notebook = "r.ipynb"
"""
    with pytest.raises(ProjectError) as told:
        graph(tables(text))
    head, *problems = str(told.value).splitlines()
    assert head == "mlops.toml has 4 problems:"
    for problem, part in zip(
        problems, ("twice", "new and names no notebook", "after names 'nope'", "circle"), strict=True
    ):
        assert part in problem
    assert "data, model, evaluate come after each other" in problems[3]


@given(st.lists(st.sets(st.integers(0, 7)), min_size=1, max_size=8))
def test_every_phase_stands_behind_those_that_it_comes_after(edges: list[set[int]]) -> None:
    """Edges from an arbitrary numbering to smaller numbers cannot make a circle, so an order exists."""
    listed = [
        PhaseTable(
            name=f"p{number}", notebook="n.ipynb", after=[f"p{other}" for other in sorted(after) if other < number]
        )
        for number, after in enumerate(edges)
    ]
    made = graph(list(reversed(listed)), known=[Phase("p_first", "n.ipynb", ())])
    seen: set[str] = set()
    for phase in made:
        assert set(phase.after or ()) <= seen
        seen.add(phase.name)
    assert len(made) == len(listed) + 1


MEET = """
import time
(run.project / '{own}').touch()
for _ in range(1800):
    if (run.project / '{other}').exists():
        break
    time.sleep(0.1)
run.write('met', {{'met': (run.project / '{other}').exists()}})
"""


def side_by_side(folder: Path) -> tuple[Phase, ...]:
    """Two phases that each wait until the other has started, and one behind both."""
    left, right, last = make_project(
        folder,
        {
            "left": MEET.format(own="left", other="right"),
            "right": MEET.format(own="right", other="left"),
            "last": "run.write('both', [run.read('left/met')['met'], run.read('right/met')['met']])",
        },
    )
    return (
        Phase(left.name, left.notebook, ()),
        Phase(right.name, right.notebook, ()),
        Phase(last.name, last.notebook, ("left", "right")),
    )


def test_phases_that_do_not_wait_for_each_other_run_side_by_side(tmp_path: Path) -> None:
    made = run(tmp_path, side_by_side(tmp_path), jobs=2)
    assert [phase["status"] for phase in manifest_of(made)["phases"]] == ["done", "done", "done"]
    assert (made.folder / "last/both.json").read_text().split() == ["[", "true,", "true", "]"]


@pytest.mark.parametrize("jobs", [1, 2])
def test_as_many_phases_run_at_once_as_jobs_says(tmp_path: Path, jobs: int) -> None:
    made = make_project(tmp_path, dict.fromkeys("abc", "n"))
    running, most = 0, 0

    def count(event: dict[str, object]) -> None:
        nonlocal running, most
        running += (event["event"] == "phase") - (event["event"] == "ended")
        most = max(most, running)

    run(tmp_path, tuple(Phase(phase.name, phase.notebook, ()) for phase in made), jobs=jobs, listener=count)
    assert (most, running) == (jobs, 0)


def test_repeated_phase_writes_its_own_artefacts_with_its_own_parameters(tmp_path: Path) -> None:
    text = "".join(f'\n[[phase]]\nname = "{phase.name}"\ndrop = true\n' for phase in PHASES)
    text += '[[phase]]\nname = "one"\nnotebook = "notebooks/1_one.ipynb"\nafter = ["two"]\n'
    text += '[[phase]]\nname = "two"\nnotebook = "notebooks/1_one.ipynb"\nafter = []\nparameters = {n = 7}\n'
    make_project(tmp_path, {"one": "run.write('n', n)"}, toml=PROJECT + text)
    made = run(tmp_path, None)  # type: ignore[arg-type]
    assert [phase["name"] for phase in manifest_of(made)["phases"]] == ["two", "one"]
    assert [(made.folder / name / "n.json").read_text().strip() for name in ("two", "one")] == ["7", "1"]


def test_failed_phase_stops_only_those_that_come_after_it(tmp_path: Path) -> None:
    bad, good, behind = make_project(
        tmp_path, {"bad": "1 / 0", "good": "run.write('x', {'x': 1})", "behind": "run.write('y', run.read('good/x'))"}
    )
    phases = (
        Phase("bad", bad.notebook, ()),
        Phase("good", good.notebook, ()),
        Phase("behind", behind.notebook, ("good",)),
    )
    assert [phase["status"] for phase in manifest_of(run(tmp_path, phases))["phases"]] == ["failed", "done", "done"]
    waiting = (*phases[:2], Phase("behind", behind.notebook, ("bad",)))
    made = manifest_of(run(tmp_path, waiting))
    assert made["phases"][2]["reason"] == "bad did not end well"
    assert made["status"] == "failed"
