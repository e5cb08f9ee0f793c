"""Secrets: handed to kernels past everything that is saved, and taken out of what a notebook shows."""

from __future__ import annotations

import base64
import bz2
import functools
import gzip
import io
import itertools
import json
import lzma
import os
import re
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlopskit import secrets
from mlopskit.errors import ParameterError
from mlopskit.params import read_parameters
from mlopskit.runner import warm
from mlopskit.runner.execution import NOTEBOOK, Ending, Order, execute_phase
from mlopskit.runner.kernels import Setting
from mlopskit.runner.leaks import Search, find_in
from mlopskit.runner.overrides import resolve
from mlopskit.runner.redaction import Redactor
from mlopskit.secrets import Secret, look_up, reveal
from tests import tiny

VALUE = 'h"unter2/ä+<key>'
TOKEN = Secret("token", "env:MLOPSKIT_TEST_TOKEN", VALUE)
PARAMETERS = 'token: "secret" = "env:MLOPSKIT_TEST_TOKEN"  # to the store'


def execute(folder: Path, body: str, server: warm.ForkServer | None) -> tuple[Ending, str]:
    made = tiny.phase_notebook("from mlopskit.secrets import reveal\n" + body, phase="one", parameters=PARAMETERS)
    [phase] = tiny.make_project(folder, {"one": made})
    home = folder / "runs" / "r" / "one"
    home.mkdir(parents=True)
    order = Order(phase, folder, folder / "runs" / "r")
    order.setting = Setting(
        environment={**Setting().environment, "MLOPSKIT_PROJECT": str(folder), "MLOPSKIT_RUN": str(home.parent)},
        cwd=folder,
        log=home / "kernel.log",
        save_to=home / NOTEBOOK,
        server=server,
        secrets=(TOKEN,),
    )
    endings: list[Ending] = []
    execute_phase(order, endings.append)
    files = [path for path in home.rglob("*") if path.is_file()]
    return endings[0], "\n".join(path.read_text(encoding="utf-8") for path in files)


@pytest.fixture(params=["cold", "warm"])
def server(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[warm.ForkServer | None]:
    if request.param == "cold" or not warm.is_supported():
        yield None
        return
    with warm.ForkServer(["import ipykernel.kernelapp"]) as started:
        yield started


@pytest.mark.notebooks
def test_a_kernel_gets_the_value_past_its_environment(
    project: Path, server: warm.ForkServer | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLOPSKIT_TEST_TOKEN", VALUE)
    (project / "letters").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(project / "letters"))
    body = (
        "import os, sys\nfrom pathlib import Path\n"
        f"assert reveal(token) == {''.join(reversed(VALUE))!r}[::-1]\n"
        "assert 'MLOPSKIT_TEST_TOKEN' not in os.environ\n"
        "assert reveal(token).encode() not in Path('/proc/self/environ').read_bytes()\n"
        "assert not [name for name in sys.argv if Path(name).is_file() and reveal(token) in Path(name).read_text()]"
    )
    ending, saved = execute(project / "p", body, server)
    assert (ending.status, ending.error) == ("done", None)
    assert VALUE not in saved
    assert not list((project / "letters").glob("mlopskit-*"))


@pytest.mark.notebooks
def test_what_a_cell_shows_of_a_secret_is_redacted(project: Path, server: warm.ForkServer | None) -> None:
    body = (
        "import base64, os, sys, html\nfrom IPython.display import HTML, display\nvalue = reveal(token)\n"
        "for letter in value:\n    print(letter, end='', flush=True)\n"
        "print(); print(base64.b64encode(b'user:' + value.encode()).decode(), value.encode().hex())\n"
        "display(HTML(f'<b>{html.escape(value)}</b>')); handle = display(0, display_id=True)\n"
        "handle.update({'it': value}); os.write(2, value.encode()); print('x' * 1_000_000 + value)\n"
        "raise ValueError(f'wrong password {value}')"
    )
    ending, saved = execute(project / "p", body, server)
    assert ending.error is not None
    assert ending.error["message"] == "wrong password [secret token]"
    assert Redactor([TOKEN]).first_in(saved) is None
    assert Redactor([TOKEN]).first_in(json.dumps(ending.error)) is None
    assert saved.count("[secret token]") >= 7


def test_reveal_by_hand_looks_up_what_it_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MLOPSKIT_RUN", "MLOPSKIT_KERNEL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("A_TOKEN", "longenough")
    (tmp_path / "key").write_text("from a file\n", encoding="utf-8")
    assert (reveal("env:A_TOKEN"), reveal(f"file:{tmp_path / 'key'}")) == ("longenough", "from a file")


def test_a_file_is_looked_for_in_the_project_wherever_one_stands(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLOPSKIT_KERNEL", raising=False)
    (project / "key").write_text("from a file\n", encoding="utf-8")
    declared = {"one": read_parameters("key: 'secret' = 'file:key'")}
    (project / "notebooks").mkdir()
    for place in (project, project / "notebooks"):
        monkeypatch.chdir(place)
        assert reveal("file:key") == "from a file"
        assert look_up("file:key") == "from a file"  # as `papermill --engine mlopskit` does
        _, found = resolve(declared, table={}, arguments=[], executed={"one"}, project=project)
        assert found["one"][0].value == "from a file"


@pytest.mark.parametrize("batch", ["MLOPSKIT_RUN", "MLOPSKIT_KERNEL"])
def test_reveal_in_a_run_knows_only_what_was_declared(batch: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MLOPSKIT_RUN", "MLOPSKIT_KERNEL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(batch, "r")
    monkeypatch.setenv("A_TOKEN", "longenough")
    monkeypatch.setattr(secrets, "_handed_over", {"env:OTHER": "value"})
    with pytest.raises(ParameterError, match="was not given that secret; it was given env:OTHER"):
        reveal("env:A_TOKEN")


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("hunter2", "given as a value"),
        ("env:", "given as a value"),
        ("env:NO_SUCH_VARIABLE_HERE", "env:NO_SUCH_VARIABLE_HERE is not set"),
        ("file:/no/such/file", "cannot be read: No such file"),
        ("env:SHORT", "shorter than 6 characters"),
    ],
)
def test_reference_that_leads_nowhere_is_refused(reference: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHORT", "abc")
    with pytest.raises(ParameterError, match=message) as caught:
        look_up(reference)
    assert "hunter2" not in str(caught.value)


def test_secrets_of_executed_phases_are_looked_up_all_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_TOKEN", "longenough")
    source = "a: 'secret' = 'env:A_TOKEN'\nb: 'secret | None' = None\nc: 'secret | None' = None"
    declared = {"one": read_parameters(source), "two": read_parameters("a: 'secret' = 'env:NOT_THERE'")}
    _, found = resolve(declared, table={}, arguments=[], executed={"one"}, project=Path())
    assert found == {"one": (Secret("a", "env:A_TOKEN", "longenough"),)}
    assert "longenough" not in repr(found)
    wrong = {"one": {"c": "env:NEITHER"}}
    with pytest.raises(ParameterError, match=r"(?s)2 parameters are wrong.*one\.c: .*two\.a: The secret env:NOT_THERE"):
        resolve(declared, table=wrong, arguments=[], executed={"one", "two"}, project=Path())


@given(st.text(min_size=6, max_size=40).filter(lambda text: len(text.strip()) >= 6), st.binary(max_size=9))
def test_base64_of_a_secret_is_found_at_any_place(value: str, before: bytes) -> None:
    redactor = Redactor([Secret("it", "env:IT", value)])
    if len(value.encode()) >= 8:
        assert redactor.first_in(base64.b64encode(before + value.encode() + b"tail").decode()) == "it"


@given(st.lists(st.integers(0, 30), max_size=6))
def test_a_secret_is_found_however_a_stream_is_cut(cuts: list[int]) -> None:
    text, redactor = f"before {VALUE} after {VALUE[:-1]}", Redactor([TOKEN])
    places = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    said, held = "", ""
    for start, end in itertools.pairwise(places):
        clean, held = redactor.split(held + text[start:end])
        said += clean
    assert said + held == f"before [secret token] after {VALUE[:-1]}"


def test_artefacts_that_hold_a_secret_are_named(tmp_path: Path) -> None:
    import pandas as pd

    pd.DataFrame({"a": ["x"] * 1000, "b": [f"p={VALUE}", *["y"] * 999]}).to_parquet(tmp_path / "rows.parquet")
    pd.DataFrame({"a": [["x", VALUE]]}).to_parquet(tmp_path / "lists.parquet")
    pd.DataFrame({"a": ["fine"]}).to_parquet(tmp_path / "fine.parquet")
    (tmp_path / "card.md").write_text("x" * ((1 << 20) - 5) + VALUE, encoding="utf-8")
    (tmp_path / "facts.json").write_text(json.dumps({"key": VALUE}), encoding="utf-8")
    assert find_in(tmp_path, [TOKEN]).leaks == [
        f"{name} holds the secret token" for name in ("card.md", "facts.json", "lists.parquet", "rows.parquet")
    ]
    assert find_in(tmp_path, []).leaks == []


def parquet(values: Any) -> bytes:
    """Parquet in which no value stands as it is."""
    sink = io.BytesIO()
    pq.write_table(pa.table({"a": values}), sink, compression="gzip", write_statistics=False)
    return sink.getvalue()


def zipped(members: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return sink.getvalue()


def locked(name: str = "a.txt") -> bytes:
    """A zip archive that says of its member that it is encrypted."""
    content = bytearray(zipped({name: b"content"}))
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    return bytes(content)


WHOLE = parquet(["x"] * 1000)
CRC = zipped({"a.txt": b"content"}, zipfile.ZIP_STORED).replace(b"content", b"contend", 1)


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("rows.parquet", WHOLE[:-20], "Parquet magic bytes not found in footer.*"),
        ("short.parquet", b"PAR1 and no more", ".+"),
        ("locked.zip", locked(), "its member a.txt is encrypted"),
        ("bad.zip", CRC, "Bad CRC-32 for file 'a.txt'"),
        ("cut.zip", zipped({"a.txt": b"content"})[:-9], "File is not a zip file"),
        ("cut.gz", gzip.compress(b"content")[:-9], "Compressed file ended before.*"),
        ("bad.bz2", bz2.compress(b"content")[:-9] + b"123456789", "Invalid data stream"),
        ("bad.xz", lzma.compress(b"content")[:20] + b"123456789", "Corrupt input data"),
        ("deep.gz", functools.reduce(lambda inner, _: gzip.compress(inner), range(9), b"x"), "it is packed more.*"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_artefact_that_cannot_be_searched_is_named(tmp_path: Path, name: str, content: bytes, why: str) -> None:
    (tmp_path / name).write_bytes(content)
    (tmp_path / "z.txt").write_text(VALUE, encoding="utf-8")
    found = find_in(tmp_path, [TOKEN])
    assert found.leaks == ["z.txt holds the secret token"]
    [said] = found.unsearched
    assert re.fullmatch(rf"{re.escape(name)} cannot be searched for secrets \({why}\)", said)


def test_why_an_artefact_cannot_be_searched_is_said_without_the_secret(tmp_path: Path) -> None:
    secret = Secret("it", "env:IT", "pässword1")
    named = locked("p-ssword1").replace(b"p-ssword1", secret.value.encode("cp437"))  # as zip spells names, and no form
    (tmp_path / "a.zip").write_bytes(named)
    [said] = find_in(tmp_path, [secret]).unsearched
    assert said == "a.zip cannot be searched for secrets (its member [secret it] is encrypted)"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("empty.parquet", b""),
        ("text.parquet", b"only text"),
        ("text.txt", b"BZh is how it begins"),
        ("empty.zip", zipped({})),
        ("times.parquet", parquet(pa.array([2**62], pa.timestamp("us")))),
        ("lists.parquet", parquet(pa.array([[2**62]], pa.list_(pa.timestamp("us"))))),
    ],
)
def test_what_holds_nothing_unreadable_is_searched(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    assert find_in(tmp_path, [TOKEN]) == Search()


RAW = VALUE.encode()


def invalid(kind: pa.DataType) -> pa.Array:
    """Text that is no UTF-8, as other writers leave it."""
    return pa.Array.from_buffers(kind, 1, pa.array([b"\xff" + RAW], pa.binary()).buffers())


@pytest.mark.parametrize(
    "column",
    [
        invalid(pa.string()),
        pa.StructArray.from_arrays([pa.array([1]), invalid(pa.string())], ["n", "text"]),
        pa.array([None, b"\xff" + RAW], pa.large_binary()),
        pa.array([RAW], pa.binary(len(RAW))),
        pa.array([VALUE, "x"]).dictionary_encode(),
        pa.array([{"a": [VALUE]}]),
        pa.array([[("key", VALUE)]], pa.map_(pa.string(), pa.string())),
        pa.ExtensionArray.from_storage(pa.json_(), pa.array([json.dumps(VALUE)])),
    ],
    ids=lambda column: str(column.type),
)
def test_a_secret_is_found_in_every_kind_of_column(tmp_path: Path, column: pa.Array) -> None:
    (tmp_path / "rows.parquet").write_bytes(parquet(column))
    assert find_in(tmp_path, [TOKEN]) == Search(["rows.parquet holds the secret token"])


@pytest.mark.parametrize("values", [[49151234], [Decimal("1.49151234")], [[1, 49151234]]])
def test_a_secret_of_digits_is_found_among_numbers(tmp_path: Path, values: list[Any]) -> None:
    (tmp_path / "rows.parquet").write_bytes(parquet(values))
    assert find_in(tmp_path, [Secret("pin", "env:PIN", "49151234")]).leaks == ["rows.parquet holds the secret pin"]


def test_columns_of_one_name_are_all_searched(tmp_path: Path) -> None:
    table = pa.table([pa.array([1.5]), pa.array([VALUE]), pa.array(["x"]), pa.array([1])], ["a", "a", "a.b", ""])
    pq.write_table(table, tmp_path / "rows.parquet", compression="gzip", write_statistics=False)
    assert find_in(tmp_path, [TOKEN]).leaks == ["rows.parquet holds the secret token"]


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_compressed_files_are_searched_decompressed(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    (tmp_path / "log").write_bytes(pack(b"x" * (1 << 22) + RAW))  # across two pieces
    (tmp_path / "fine").write_bytes(pack(b"x"))
    assert find_in(tmp_path, [TOKEN]) == Search(["log holds the secret token"])


@pytest.mark.parametrize("pack", [gzip.compress, lambda content: zipped({"b": content})])
@pytest.mark.parametrize(
    "inner",
    [
        gzip.compress(RAW),
        zipped({"c": RAW}),
        zipped({"c.gz": gzip.compress(RAW)}),
        parquet([VALUE]),
    ],
    ids=["gzip", "zip", "gzip in zip", "parquet"],
)
def test_what_is_packed_in_packed_files_is_searched(
    tmp_path: Path, pack: Callable[[bytes], bytes], inner: bytes
) -> None:
    (tmp_path / "a.zip").write_bytes(zipped({"a": pack(inner)}))
    assert find_in(tmp_path, [TOKEN]) == Search(["a.zip holds the secret token"])


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16-le", "utf-16-be"])
def test_a_secret_is_found_in_the_encodings_of_windows_and_of_pictures(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "picture.png").write_bytes(b"tEXtKey\0" + VALUE.encode(encoding) + b"\0")
    assert find_in(tmp_path, [TOKEN]).leaks == ["picture.png holds the secret token"]


def test_the_names_of_empty_folders_and_of_dangling_links_count(tmp_path: Path) -> None:
    secret = Secret("it", "env:IT", "hunter2-hunter2")
    (tmp_path / secret.value).mkdir()
    (tmp_path / f"{secret.value}.link").symlink_to("nowhere")
    (tmp_path / "link").symlink_to(f"nowhere/{secret.value}")
    (tmp_path / os.fsdecode(b"\xff")).write_bytes(RAW)
    names = ["[secret it]", "[secret it].link", "link"]
    assert find_in(tmp_path, [secret]).leaks == [f"{name} holds the secret it" for name in names]
    assert find_in(tmp_path, [TOKEN]).leaks == ["\N{REPLACEMENT CHARACTER} holds the secret token"]


def test_a_secret_that_is_no_utf_8_is_looked_for_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(b"hunter2\xff")
    assert find_in(tmp_path, [Secret("it", "env:IT", os.fsdecode(b"hunter2\xff"))]).leaks == [
        "a.bin holds the secret it"
    ]


def whole_run(folder: Path, body: str) -> tuple[dict[str, object], str]:
    made = tiny.phase_notebook("from mlopskit.secrets import reveal\n" + body, phase="one", parameters=PARAMETERS)
    outcome = tiny.run(folder, tiny.make_project(folder, {"one": made}))
    files = [path for path in outcome.folder.rglob("*") if path.is_file() and path.suffix != ".json"]
    saved = [path.read_text(encoding="utf-8") for path in [*files, outcome.folder / "run.json"]]
    return tiny.manifest_of(outcome)["phases"][0], "\n".join(saved)


@pytest.mark.notebooks
def test_a_run_uses_a_secret_and_leaves_none_in_notebook_report_and_manifest(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLOPSKIT_TEST_TOKEN", VALUE)
    entry, saved = whole_run(project / "p", "print('it is', reveal(token))\nrun.write('n', {'n': len(reveal(token))})")
    assert entry["status"] == "done"
    assert "[secret token]" in saved
    assert "env:MLOPSKIT_TEST_TOKEN" in saved
    assert Redactor([TOKEN]).first_in(saved) is None


@pytest.mark.notebooks
def test_a_reference_that_nobody_declared_is_refused_and_its_value_shown_nowhere(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLOPSKIT_TEST_TOKEN", VALUE)
    monkeypatch.setenv("MLOPSKIT_TEST_OTHER", "another-value")
    entry, saved = whole_run(project / "p", "print(len(reveal(token)))\nprint(reveal('env:MLOPSKIT_TEST_OTHER'))")
    assert entry["status"] == "failed"
    assert "was not given that secret; it was given env:MLOPSKIT_TEST_TOKEN" in entry["error"]["message"]
    assert "another-value" not in saved


@pytest.mark.notebooks
@pytest.mark.parametrize("only", [[], ["two"]], ids=["whole run", "without the phase that declares it"])
def test_a_phase_shows_no_secret_of_another_phase(
    project: Path, monkeypatch: pytest.MonkeyPatch, only: list[str]
) -> None:
    monkeypatch.setenv("MLOPSKIT_TEST_TOKEN", VALUE)
    declares = tiny.phase_notebook("run.write('n', {'n': 1})", phase="one", parameters=PARAMETERS)
    shows = "import os\ntoken = os.environ['MLOPSKIT_TEST_TOKEN']\nprint(token)\nos.write(2, f'log {token}'.encode())"
    phases = tiny.make_project(project / "p", {"one": declares, "two": shows})
    outcome = tiny.run(project / "p", phases)
    outcome = tiny.run(project / "p", phases, only=only, base=outcome.folder.name) if only else outcome
    assert [item["status"] for item in tiny.manifest_of(outcome)["phases"]] == ["reused" if only else "done", "done"]
    saved = "".join(path.read_text(encoding="utf-8") for path in outcome.folder.rglob("*") if path.is_file())
    assert "log [secret token]" in saved
    assert Redactor([TOKEN]).first_in(saved) is None


@pytest.mark.notebooks
def test_a_phase_that_writes_the_secret_of_another_phase_into_an_artefact_fails(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLOPSKIT_TEST_TOKEN", VALUE)
    declares = tiny.phase_notebook("1", phase="one", parameters=PARAMETERS)
    writes = "import os\nrun.write('n', {'n': os.environ['MLOPSKIT_TEST_TOKEN']})"
    outcome = tiny.run(project / "p", tiny.make_project(project / "p", {"one": declares, "two": writes}))
    assert "n.json holds the secret token" in tiny.manifest_of(outcome)["phases"][1]["error"]["message"]


@pytest.mark.notebooks
def test_a_phase_that_writes_a_secret_into_an_artefact_fails(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLOPSKIT_TEST_TOKEN", "hunter2-hunter2")
    entry, _ = whole_run(project / "p", "run.write('n', {'n': reveal(token)})")
    assert entry["status"] == "failed"
    assert "n.json holds the secret token" in entry["error"]["message"]


@pytest.mark.notebooks
@pytest.mark.parametrize(
    ("end", "status", "name", "said"),
    [
        ("", "failed", "Unsearchable", "^half.parquet cannot"),
        ("1 / 0", "failed", "ZeroDivisionError", r"^division by zero\. half.parquet cannot"),
        ("os.kill(os.getpid(), 9)", "killed", "KernelDied", "SIGKILL.* half.parquet cannot"),
        ("run.write('n', {'n': reveal(token)})", "failed", "SecretLeaked", "^n.json holds.*change the secret. half"),
    ],
    ids=["done", "failed", "killed", "leaked"],
)
def test_a_phase_whose_artefact_cannot_be_searched_ends_as_it_did_or_fails(
    project: Path, monkeypatch: pytest.MonkeyPatch, end: str, status: str, name: str, said: str
) -> None:
    monkeypatch.setenv("MLOPSKIT_TEST_TOKEN", "hunter2-hunter2")
    body = (
        "from mlopskit.secrets import reveal\nimport os\nfrom pathlib import Path\n"
        f"Path(os.environ['MLOPSKIT_RUN'], 'one', 'half.parquet').write_bytes(b'PAR1')\n{end}"
    )
    made = tiny.phase_notebook(body, phase="one", parameters=PARAMETERS)
    outcome = tiny.run(project / "p", tiny.make_project(project / "p", {"one": made}))
    [entry] = tiny.manifest_of(outcome)["phases"]
    assert (entry["status"], entry["error"]["name"]) == (status, name)
    assert re.search(said, entry["error"]["message"])
    assert "half.parquet cannot be searched for secrets (" in entry["error"]["message"]
    assert entry["error"]["message"].endswith("an archive that is whole and has no password.")


def test_a_secret_that_is_nowhere_is_refused_before_anything_is_made(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLOPSKIT_TEST_TOKEN", raising=False)
    with pytest.raises(ParameterError, match="MLOPSKIT_TEST_TOKEN"):
        whole_run(project / "p", "1")
    assert not (project / "p/runs").exists()
