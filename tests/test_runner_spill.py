"""Outputs that are too large for a notebook: files beside it, links in it, and saves that stay cheap."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mlopskit.runner import warm
from mlopskit.runner.redaction import Redactor
from mlopskit.runner.spill import Spill
from tests import tiny


@pytest.fixture(params=["cold", "warm"])
def server(request: pytest.FixtureRequest) -> Iterator[warm.ForkServer | None]:
    if request.param == "cold" or not warm.is_supported():
        yield None
        return
    with warm.ForkServer(["import ipykernel.kernelapp"]) as started:
        yield started


def outputs(phase: Path) -> list[dict[str, Any]]:
    cells = json.loads((phase / "notebook.ipynb").read_text(encoding="utf-8"))["cells"]
    return next(cell["outputs"] for cell in cells if cell["id"] == "work")


def text(value: str | list[str]) -> str:
    return "".join(value)


@pytest.mark.notebooks
def test_fifty_megabytes_of_print_go_to_a_file_whole(project: Path, server: warm.ForkServer | None) -> None:
    body = "for i in range(500_000):\n    print(f'{i:099d}')"
    outcome = tiny.run(project / "p", tiny.make_project(project / "p", {"one": body}), server=server)
    phase = outcome.folder / "one"
    assert tiny.manifest_of(outcome)["phases"][0]["status"] == "done"
    spilled = phase / "outputs" / "work-1.txt"
    assert spilled.stat().st_size == 50_000_000
    with spilled.open() as file:
        assert all(int(line) == number for number, line in enumerate(file))
    assert (phase / "notebook.ipynb").stat().st_size < 20_000
    first, link = (item for item in outputs(phase) if item["output_type"] != "stream" or text(item["text"]))
    assert text(first["text"]).startswith("0" * 99 + "\n" + "0" * 98 + "1")
    assert 'href="outputs/work-1.txt"' in text(link["data"]["text/html"])
    assert "50,000,000 characters" in text(link["data"]["text/plain"])
    report = (outcome.folder / "report.html").read_text(encoding="utf-8")
    assert "outputs/work-1.txt" in report
    assert len(report) < 1_000_000


@pytest.mark.notebooks
def test_a_large_picture_and_a_large_error_go_to_files(project: Path) -> None:
    show = "from IPython.display import HTML, display\ndisplay(HTML('<b>' + 'x' * 2_000_000 + '</b>'))\n"
    body = show + "raise ValueError('y' * 2_000_000)"
    outcome = tiny.run(project / "p", tiny.make_project(project / "p", {"one": body}))
    phase = outcome.folder / "one"
    assert (phase / "outputs" / "work-1.html").stat().st_size == 2_000_007
    assert (phase / "outputs" / "work-2.txt").stat().st_size > 2_000_000
    assert (phase / "notebook.ipynb").stat().st_size < 100_000
    assert tiny.manifest_of(outcome)["phases"][0]["error"]["name"] == "ValueError"
    assert [item["output_type"] for item in outputs(phase)] == ["display_data", "error"]


@pytest.mark.notebooks
def test_an_output_widget_captures_more_than_fits_and_does_not_stop_the_cell(project: Path) -> None:
    """papermill waits for ever: answering the widget hides from it that the reply has come."""
    body = (
        "import ipywidgets\nwith ipywidgets.Output():\n    for _ in range(5):\n        print('x' * 400_000, flush=True)"
    )
    outcome = tiny.run(project / "p", tiny.make_project(project / "p", {"one": body}), limit=60)
    phase = outcome.folder / "one"
    assert tiny.manifest_of(outcome)["phases"][0]["status"] == "done"
    assert (phase / "outputs" / "work-1.txt").read_text() == ("x" * 400_000 + "\n") * 5
    made = json.loads((phase / "notebook.ipynb").read_text(encoding="utf-8"))["metadata"]["widgets"]
    states = [item["state"] for item in next(iter(made.values()))["state"].values()]
    [held] = [state["outputs"] for state in states if "outputs" in state]
    assert [item["output_type"] for item in held] == ["stream", "display_data"]
    assert len(held[0]["text"]) < 3_000
    assert "2,000,005 characters" in held[1]["data"]["text/plain"]


@pytest.mark.notebooks
def test_only_files_that_the_notebook_leads_to_are_kept(project: Path) -> None:
    body = (
        "from IPython.display import HTML, clear_output, display\n"
        "for i in range(3):\n    clear_output(wait=True)\n    print(str(i) * 1_100_000)\n"
        "shown = display(HTML('a' * 1_100_000), display_id=True)\nshown.update(HTML('b' * 1_100_000))"
    )
    outcome = tiny.run(project / "p", tiny.make_project(project / "p", {"one": body}))
    files = sorted((outcome.folder / "one" / "outputs").iterdir())
    assert [file.read_text()[:1] for file in files] == ["2", "b"]
    told = json.dumps(outputs(outcome.folder / "one"))
    assert all(f"outputs/{file.name}" in told for file in files)


def test_pieces_of_a_stream_are_joined_in_the_notebook(project: Path) -> None:
    body = "import sys\nfor i in range(3):\n    print(i, flush=True)\nprint('e', file=sys.stderr, flush=True)\nprint(3)"
    outcome = tiny.run(project / "p", tiny.make_project(project / "p", {"one": body}))
    assert [text(item["text"]) for item in outputs(outcome.folder / "one")] == ["0\n1\n2\n", "e\n", "3\n"]


def test_what_is_small_stays_as_it_is(tmp_path: Path) -> None:
    spill = Spill(tmp_path, Redactor(), limit=10)
    spill.begin("a/b")
    assert spill.bundle({"text/plain": "0123456789"}) == {"text/plain": "0123456789"}
    assert spill.stream("stdout", "0123456789") == ("0123456789", None)
    assert list(tmp_path.iterdir()) == []


def test_the_first_character_too_many_moves_all_of_a_stream_to_a_file(tmp_path: Path) -> None:
    spill = Spill(tmp_path, Redactor(), limit=10)
    spill.begin("a/b")
    spill.stream("stdout", "0123456789")
    shown, stream = spill.stream("stdout", "!")
    assert (shown, stream is not None) == ("!\n…\n", True)
    spill.stream("stdout", "?")
    assert (tmp_path / "outputs" / "a_b-1.txt").read_text() == "0123456789!?"


def test_cleared_output_starts_a_new_count(tmp_path: Path) -> None:
    spill = Spill(tmp_path, Redactor(), limit=10)
    for _ in range(5):
        assert spill.stream("stdout", "01234567")[1] is None
        spill.clear()


def test_a_binary_output_is_written_as_such(tmp_path: Path) -> None:
    import base64

    data = bytes(range(256)) * 20
    spill = Spill(tmp_path, Redactor(), limit=100)
    spill.begin("plot")
    shown = spill.bundle({"image/png": base64.b64encode(data).decode(), "text/plain": "<Figure & co>"})
    assert (tmp_path / "outputs" / "plot-1.png").read_bytes() == data
    assert "&lt;Figure &amp; co&gt;" in shown["text/html"]
    table = spill.bundle({"text/html": "<b>table</b>", "application/json": ["x" * 3000]})
    assert table["text/html"].startswith("<b>table</b><p>The output has")


def test_what_is_called_a_picture_and_is_none_is_kept_as_text(tmp_path: Path) -> None:
    spill = Spill(tmp_path, Redactor(), limit=100)
    spill.begin("plot")
    assert "outputs/plot-1.txt" in spill.bundle({"image/png": "x" * 5001})["text/plain"]
    assert (tmp_path / "outputs" / "plot-1.txt").read_text() == "x" * 5001
