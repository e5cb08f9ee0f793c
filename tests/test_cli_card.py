"""`mlopskit card` as a newcomer calls it: in a project, with a run, and nothing else known."""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

FAKE = runpy.run_path(str(Path(__file__).parent / "fake_run.py"))


@pytest.fixture
def home(project: Path) -> Path:
    run = FAKE["fake_run"](project / "runs" / "20260304T050607Z-abc123")
    (project / "runs" / "latest").write_text(f"{run.name}\n")
    return project


def card(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mlopskit", "card", *arguments],
        cwd=home, env={**os.environ, "NO_COLOR": "1"}, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_cards_lie_beside_the_report_which_links_to_them(home: Path) -> None:
    run = home / "runs" / "20260304T050607Z-abc123"
    (run / "report.html").write_text("old")
    made = card(home)
    assert made.returncode == 0, made.stderr
    paths = [Path(line) for line in made.stdout.splitlines()[:4]]
    assert [path.name for path in paths] == ["model_card.html", "model_card.md", "data_card.html", "data_card.md"]
    assert all(path.is_file() and path.parent == run for path in paths)
    assert 'href="data_card.html"' in (run / "report.html").read_text()


def test_json_names_paths_and_open_questions(home: Path) -> None:
    said = json.loads(card(home, "abc123", "--json").stdout)
    assert Path(said["model_card"]["html"]).is_file()
    assert Path(said["data_card"]["md"]).is_file()
    assert "data.collection.consent" in said["data_card"]["questions"]


def test_answers_of_cards_toml_close_their_questions(home: Path) -> None:
    asked = card(home, "--questions").stdout
    assert tomllib.loads(asked)["model"]["use"]["users"] == ""
    (home / "cards.toml").write_text(asked.replace('users = ""', 'users = "Interviewers."'))
    assert "\nusers = " not in card(home, "--questions").stdout
    card(home)
    assert "Interviewers." in (home / "runs" / "20260304T050607Z-abc123" / "model_card.md").read_text()


def test_into_leaves_the_run_folder_as_it_was(home: Path, tmp_path: Path) -> None:
    run = home / "runs" / "20260304T050607Z-abc123"
    before = sorted(path.name for path in run.iterdir())
    made = card(home, "--into", str(tmp_path / "cards"))
    assert made.returncode == 0, made.stderr
    assert sorted(path.name for path in run.iterdir()) == before
    assert len(list((tmp_path / "cards").iterdir())) == 4


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [(["nope"], 1, "nope"), (["--answers", "gone.toml"], 2, "There is no file gone.toml"), (["--bogus"], 2, "--bogus")],
)
def test_what_is_not_there_is_said(home: Path, arguments: list[str], code: int, said: str) -> None:
    made = card(home, *arguments)
    assert (made.returncode, made.stdout) == (code, "")
    assert said in made.stderr
    assert "Traceback" not in made.stderr


def test_a_wrong_answer_is_said_and_nothing_is_written(home: Path) -> None:
    (home / "cards.toml").write_text("[model.use]\nuserz = 'x'\n")
    made = card(home)
    assert made.returncode == 1
    assert "did you mean model.use.users" in made.stderr
    assert not list(home.glob("runs/*/model_card*"))
