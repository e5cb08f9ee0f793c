"""What cells read and change past `run` counts, as far as it can be told: nothing is reused that rests on it unseen."""

from __future__ import annotations

import socket
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from mlopskit.runs import opened, read_trace
from tests import tiny

pytestmark = [pytest.mark.notebooks, pytest.mark.usefixtures("forked")]

READS = {
    "opened": "import pandas as pd\nrun.write('v', len(pd.read_csv('rates.csv')))",
    "named": "import pandas as pd\nrun.write('v', len(pd.read_parquet('rates.parquet')))",
    "joined": "from pathlib import Path\nimport pandas as pd\npd.read_parquet(Path('tables') / 'more.parquet')",
    "asked": "import duckdb\nrun.write('v', duckdb.sql('SELECT * FROM \"rates.parquet\"').df())",
    "shell": "%colors NoColor\n!wc tables/more.parquet",
    "told": tiny.phase_notebook("open(place).read()", phase="told", parameters='place: str = "rates.csv"  # which'),
    "listed": "import os\nrun.write('v', len(os.listdir('pictures')))",
    "matched": "from pathlib import Path\nrun.write('v', len(list(Path('pictures').glob('*.png'))))",
    "folder": "import pandas as pd\nrun.write('v', len(pd.read_parquet('sales')))",
    "pattern": "import duckdb\nrun.write('v', duckdb.sql(\"SELECT * FROM 'sales/*/*.parquet'\").df())",
    "below": "from pathlib import Path\nrun.write('v', sorted(path.name for path in Path('classes').rglob('*.png')))",
    "walked": "import os\nrun.write('v', [place for place, _, _ in os.walk('classes')])",
    "hidden": "run.write('v', open('.env').read())",
    "variable": "import os\nrun.write('v', os.environ.get('A_SETTING', ''))",
    "passed_on": "import os\nrun.write('v', len({**os.environ, 'A': '1'}) > 0 and len(os.environ.copy()) > 0)",
    "set_here": "import os\nos.environ['A_SETTING'] = '5'\nrun.write('v', os.getenv('A_SETTING'))",
    "looked_for": "import os\nrun.write('v', os.path.exists('overrides.csv'))",
    "database": "import sqlite3\nsqlite3.connect('file:facts%20of.db?mode=ro', uri=True).close()",
    "memory": "import sqlite3\nsqlite3.connect(':memory:').close()",
    "missed": "try:\n    open('more.txt')\nexcept OSError:\n    run.write('v', 0)",
    "nothing": "import tempfile\nwith tempfile.NamedTemporaryFile('w', dir='.') as file: file.write('1')",
}


ITSELF = """
import socket
with socket.create_server(("127.0.0.1", 0)) as own:
    socket.create_connection(own.getsockname()).close()
"""
POOL = """
import socket
from concurrent.futures import ThreadPoolExecutor
def ask(host):
    try:
        socket.create_connection((host, 9), timeout=0.1)
    except OSError:
        pass
with ThreadPoolExecutor(2) as pool:
    list(pool.map(ask, ["192.0.2.1"]))
"""


def again(project: Path, phases: Any, *arguments: str) -> dict[str, Any]:
    """Run what is not reused; return what the manifest says of each phase."""
    outcome = tiny.run(project, phases, *arguments, reuse_unchanged=True)
    return {entry["name"]: entry for entry in tiny.manifest_of(outcome)["phases"]}


def executed(entries: dict[str, Any]) -> set[str]:
    return {name for name, entry in entries.items() if entry["status"] == "done"}


def test_what_a_cell_reads_looks_for_or_lists_past_the_run_counts_as_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tmp_path / "p"
    phases = tiny.make_project(project, READS)
    (project / "pictures").mkdir()
    rates = pd.DataFrame({"rate": [1, 2]})
    rates.to_csv(project / "rates.csv")
    rates.to_parquet(project / "rates.parquet")
    (project / "tables").mkdir()
    (project / "facts of.db").touch()
    (project / ".env").write_text("A=1")
    (project / "sales/year=2024").mkdir(parents=True)
    rates.to_parquet(project / "sales/year=2024/a.parquet")
    (project / "classes/cat").mkdir(parents=True)
    rates.to_parquet(project / "tables/more.parquet")
    assert executed(again(project, phases)) == set(READS)
    assert executed(again(project, phases)) == set()
    rates.head(1).to_csv(project / "rates.csv")
    assert executed(again(project, phases)) == {"opened", "told"}
    rates.head(1).to_parquet(project / "rates.parquet")
    (project / "pictures/a.png").touch()
    assert executed(again(project, phases)) == {"named", "asked", "listed", "matched"}
    rates.head(1).to_parquet(project / "tables/more.parquet")
    assert executed(again(project, phases)) == {"joined", "shell"}
    (project / "sales/year=2025").mkdir()
    rates.to_parquet(project / "sales/year=2025/a.parquet")
    (project / "classes/dog").mkdir()
    (project / "classes/dog/1.png").touch()
    assert executed(again(project, phases)) == {"folder", "pattern", "below", "walked"}
    monkeypatch.setenv("A_SETTING", "1")
    (project / ".env").write_text("A=2")
    (project / "overrides.csv").touch()
    assert executed(again(project, phases)) == {"variable", "hidden", "looked_for"}
    (project / "more.txt").touch()
    with closing(sqlite3.connect(project / "facts of.db")) as facts:
        facts.execute("CREATE TABLE fact (name)")
    last = again(project, phases)
    assert executed(last) == {"missed", "database"}
    assert ":memory:" not in str(last["memory"])


def test_a_folder_beside_the_project_counts_unless_it_is_of_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path / "tmp"))
    project = tmp_path / "p"
    counts = ["p/data/a.csv", "lent/settings.json", "p/data/runs/a.csv"]
    others = ["p/.git/index", "tmp/a.csv", ".cache/fonts.json", "lib/site-packages/a/b.json"]
    seen = {name: opened._is_of_interest(tmp_path / name, project) for name in [*counts, *others]}
    assert seen == {**dict.fromkeys(counts, True), **dict.fromkeys(others, False)}
    assert not opened._is_of_interest(Path(sys.executable), project)
    assert not opened._is_of_interest(Path("/proc/self/stat"), project)


def test_a_file_beside_the_project_counts_and_what_lies_in_a_run_or_was_asked_for_does_so_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    (tmp_path / "lent").mkdir()
    (tmp_path / "lent/rates.csv").write_text("rate\n1\n")
    bodies = {
        "beside": f"run.write('v', open({str(tmp_path / 'lent/rates.csv')!r}).read())",
        "within": "import os\nrun.write('v', [os.listdir(place) for place in (run.home, run.source_file('pictures'))])",
    }
    phases = tiny.make_project(tmp_path / "p", bodies)
    (tmp_path / "p/pictures").mkdir()
    first = tiny.run(tmp_path / "p", phases, reuse_unchanged=True)
    assert {record.op for record in read_trace(first.folder / "within")} == {"source", "write", "finish", "notebook"}
    assert executed(again(tmp_path / "p", phases)) == set()
    (tmp_path / "lent/rates.csv").write_text("rate\n2\n")
    assert executed(again(tmp_path / "p", phases)) == {"beside"}


def test_what_a_cell_writes_past_the_run_or_asks_the_network_is_never_reused(tmp_path: Path) -> None:
    asks = "import socket\ntry:\n    socket.create_connection(('{}', 9), timeout=0.1)\nexcept OSError: pass"
    bodies = {
        "writes": "open('out.txt', 'a').write('1')",
        "asks": asks.format("192.0.2.1"),  # RFC 5737: nobody has that address
        "nobody": asks.format("127.0.0.1"),
        "itself": ITSELF,
        "pool": POOL,
        "renames": "import os\nopen('a.tmp', 'w').close()\nos.rename('a.tmp', 'moved' + '.txt')",
        "removes": "import os\nname = 'old' + '.txt'\nif os.path.exists(name): os.remove(name)",
        "makes": "import os\nos.makedirs('new' + 'folder', exist_ok=True)",
        "by_engine": "import pandas as pd\npd.DataFrame({'a': [1]}).to_parquet('made.parquet')",
        "secret": "import os\nos.environ.get('DB_PASSWORD')",
        "neither": "import tempfile, shutil, os\nfolder = tempfile.mkdtemp(dir='.')\nopen(f'{folder}/a', 'w').close()\n"
        "shutil.rmtree(folder)",
    }
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        bodies["neighbour"] = asks.format("127.0.0.1").replace(", 9)", f", {port})")
        phases = tiny.make_project(tmp_path / "p", bodies)
        (tmp_path / "p/old.txt").touch()
        first = again(tmp_path / "p", phases)
        found = again(tmp_path / "p", phases)
    assert first["removes"]["reason"].endswith("it changed something outside the run (removed old.txt)")
    assert first["makes"]["reason"].endswith("it changed something outside the run (made newfolder)")
    done = {name: entry["reason"] for name, entry in found.items() if entry["status"] == "done"}
    assert {name: (reason or "").rpartition("(")[2] for name, reason in done.items()} == {
        "writes": "wrote out.txt)", "asks": "192.0.2.1)", "pool": "192.0.2.1)", "renames": "wrote moved.txt)",
        "by_engine": "wrote made.parquet)", "neighbour": f"127.0.0.1:{port})", "secret": "variable DB_PASSWORD)",
        "removes": "", "makes": "",  # the second time there was nothing left to do
    }  # fmt: skip
    assert found.keys() - done.keys() == {"nobody", "itself", "neither"}


def test_an_artefact_that_is_opened_past_the_run_is_read(tmp_path: Path) -> None:
    bodies = {
        "one": "run.write('n', {'n': n})",
        "two": "import json\nrun.write('n', json.loads((run.folder / 'one/n.json').read_text()))",
    }
    phases = tiny.make_project(tmp_path / "p", bodies)
    again(tmp_path / "p", phases)
    last = again(tmp_path / "p", phases, "one.n=5")
    assert executed(last) == {"one", "two"}
    assert [item["name"] for item in last["two"]["reads"] if item["op"] == "read"] == ["one/n.json"]


def test_names_that_are_no_text_and_folders_that_are_gone_break_nothing(tmp_path: Path) -> None:
    body = (
        "import os, tempfile\nname = b'rows\\xff.csv'\nopen(name, 'wb').close()\nopen(name).close()\n"
        "'a\\0b', open(os.dup(1), 'w')\nhere = os.getcwd()\n"
        "with tempfile.TemporaryDirectory() as gone: os.chdir(gone)\n"
        "try:\n    open('there')\nexcept OSError:\n    os.chdir(here)"
    )
    (entry,) = again(tmp_path / "p", tiny.make_project(tmp_path / "p", {"a": body})).values()
    assert (entry["status"], entry["error"]) == ("done", None)
    assert entry["reason"].endswith(r"it read a live source ('rows\udcff.csv')")
