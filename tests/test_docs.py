"""What README and CONTRIBUTING say is so: commands, options, exit codes, files, names."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mlopskit.cli.app import app

REPO = Path(__file__).resolve().parents[1]
COMMANDS = [
    "new", "run", "params", "lab", "runs", "show", "report", "card", "verify", "diff", "site", "tag", "pin", "unpin",
    "prune", "check",
]  # fmt: skip


def shell_lines(document: str) -> list[list[str]]:
    """Return the commands of every sh block, without comments."""
    blocks = re.findall(r"```sh\n(.*?)```", (REPO / document).read_text(encoding="utf-8"), re.DOTALL)
    return [words for block in blocks for line in block.splitlines() if (words := shlex.split(line, comments=True))]


README_COMMANDS = [words[1:] for words in shell_lines("README.md") if words[0] == "mlopskit"]


def test_the_readme_shows_the_two_commands_first() -> None:
    assert [words[:2] for words in shell_lines("README.md")][:2] == [["make", "run"], ["make", "test"]]


def test_make_knows_every_target_that_is_documented(repo: Path) -> None:
    for document in ("README.md", "CONTRIBUTING.md"):
        for target in set(re.findall(r"`?make ([a-z]+)\b", (repo / document).read_text())) - {"sure"}:
            assert re.search(rf"^{target}:", (repo / "Makefile").read_text(), re.MULTILINE), target


@pytest.mark.parametrize("words", README_COMMANDS, ids=" ".join)
def test_every_command_of_the_readme_exists_with_its_options(words: list[str]) -> None:
    shown = CliRunner().invoke(app, [words[0], "--help"], env={"COLUMNS": "200", "TERM": "dumb"})
    assert shown.exit_code == 0
    for option in [word for word in words if word.startswith("-")]:
        assert re.search(rf"(?<![\w-]){re.escape(option)}(?![\w-])", shown.output), option


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_in_the_readme_and_its_help_has_an_example(command: str) -> None:
    shown = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "200", "TERM": "dumb"})
    assert re.search(rf"Example.*mlopskit {command}", shown.output, re.DOTALL)
    assert f"mlopskit {command}" in (REPO / "README.md").read_text()


def test_files_named_in_the_documents_exist(repo: Path) -> None:
    for document in ("README.md", "CONTRIBUTING.md"):
        for target in re.findall(r"\]\(([^)#]+)\)", (repo / document).read_text()):
            assert "://" in target or (repo / target).exists(), target


def test_the_house_in_contributing_is_the_house(repo: Path) -> None:
    picture = (repo / "CONTRIBUTING.md").read_text().split("```")[1]
    rooms = {path.name.removesuffix(".py") for path in (repo / "mlopskit").iterdir() if not path.name.startswith("_")}
    assert {room for room in rooms - {"py.typed"} if room not in re.findall(r"[a-z_]+", picture)} == set()


def test_the_exit_codes_are_the_same_in_readme_and_help(repo: Path) -> None:
    shown = CliRunner().invoke(app, ["run", "--help"], env={"COLUMNS": "200", "TERM": "dumb"})
    readme = (repo / "README.md").read_text()
    assert re.findall(
        r"\b([0-4]) (?:passed|a phase|wrong usage|usage|a criterion|an alert|monitoring)", readme
    ) == list("01234")
    assert all(re.search(rf"\b{code} [a-z]", shown.output) for code in range(5))


def test_the_package_examples_in_docstrings_run() -> None:
    modules = [
        path for path in sorted((REPO / "mlopskit").rglob("*.py"))
        if ">>>" in path.read_text(encoding="utf-8")
    ]  # fmt: skip
    command = [sys.executable, "-m", "pytest", "-q", "--doctest-modules", "-p", "no:cacheprovider", *map(str, modules)]
    done = subprocess.run(command, cwd=REPO, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:]
