"""A new project: its own copies of the notebooks, a project file, and what git should ignore.

Built in a folder beside the wanted one and renamed at the end, so that a failure half-way leaves nothing. A
notebook copy is stamped with the version that it came from: it belongs to the project from then on, and `mlopskit
check` compares.
"""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mlopskit import __version__
from mlopskit.errors import DataError, NotebookError, ProjectError, UsageError, listing, nearest
from mlopskit.notebooks import load_notebook
from mlopskit.scope import PROJECT_FILE, Scope
from mlopskit.share import share

EXAMPLES = ("income", "mortgage", "digits")

_IGNORED = """# runs are made again from what is committed; data may be personal
runs/
site/
data/
__pycache__/
.ipynb_checkpoints/
.virtual_documents/
"""

_README = """# {name}

Made by `mlopskit new`, version {version}.

| file | holds |
| --- | --- |
| `mlops.toml` | what the problem is: question, data, baselines, acceptance criteria, deployment, monitoring |
| `notebooks/` | one notebook a phase; they are yours to change |
| `runs/` | one folder a run, with its `report.html` |

```
mlopskit check     # what is wrong or still open
mlopskit run       # all phases, then the report
mlopskit params    # what can be set with -p phase.name=value
mlopskit lab       # the same notebooks in JupyterLab
mlopskit new phase NAME --after evaluate   # a notebook of your own among them
```
"""


def make_from_example(folder: Path, example: str, *, here: bool = False) -> Path:
    """Make a project that runs on bundled data.

    Parameters
    ----------
    folder : Path
        The folder to make; its last part becomes the project's name.
    example : str
        One of `EXAMPLES`.
    here : bool
        True to fill a folder that exists and holds other files.

    Returns
    -------
    Path
        The project folder.

    Raises
    ------
    UsageError
        For an unknown example.
    ProjectError
        When the folder is in the way.
    """
    if example not in EXAMPLES:
        raise UsageError(f"There is no example {example!r}{nearest(example, EXAMPLES)}; there are {listing(EXAMPLES)}.")
    text = (share("templates/project") / f"{example}.toml").read_text(encoding="utf-8")
    with _building(folder, here=here) as draft:
        _fill(draft, _named(text, folder.resolve().name))
    return folder


def make_from_data(folder: Path, data: Path, *, describe: Callable[[Path, str], str], here: bool = False) -> Path:
    """Make a project around a data file, which is copied into its ``data`` folder.

    Parameters
    ----------
    folder, here
        As in `make_from_example`.
    data : Path
        The file.
    describe : callable
        Given the project folder with the copy in it, returns the text of the project file, everything inferred from
        the data.

    Raises
    ------
    DataError
        When the file is not there.
    ProjectError
        When the folder is in the way, or what `describe` returned is no project file.
    """
    if not data.is_file():
        raise DataError(f"There is no data file {data}; looked at {data.resolve()}. Correct the path.")
    with _building(folder, here=here) as draft:
        (draft / "data").mkdir()
        shutil.copy2(data, draft / "data" / data.name)
        _fill(draft, describe(draft, folder.resolve().name))
    return folder


def restore_notebooks(project: Path) -> list[str]:
    """Put notebooks that are missing back into a project and return their names; what is there is never touched."""
    target = project / "notebooks"
    target.mkdir(exist_ok=True)
    restored = []
    for source in sorted(share("notebooks").glob("*.ipynb")):
        if not (target / source.name).exists():
            _stamp(source, target / source.name)
            restored.append(source.name)
    return restored


@contextmanager
def _building(folder: Path, *, here: bool) -> Iterator[Path]:
    """Yield a hidden folder to fill; it becomes `folder` when the block ends well."""
    full = folder.resolve()
    _refuse_occupied(full, here=here)
    full.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{full.name}.", suffix=".part", dir=full.parent))
    try:
        draft.chmod(0o755)
        yield draft
        _place(draft, full)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _refuse_occupied(full: Path, *, here: bool) -> None:
    if here and (full / PROJECT_FILE).exists():
        raise ProjectError(
            f"{full} is a project already. To put missing notebooks back: mlopskit new --here --notebooks-only."
        )
    if not here and full.exists() and (not full.is_dir() or any(full.iterdir())):
        raise ProjectError(
            f"{full} exists and is no empty folder; nothing in it was changed. Choose another name, or use --here."
        )


def _place(draft: Path, full: Path) -> None:
    """Rename the finished draft to its place, or move its entries into a folder that is there: it may be someone's own.

    The project file goes last: without it nobody takes what a kill left for a project.
    """
    if not full.is_dir():
        draft.rename(full)
        return
    taken = [item.name for item in draft.iterdir() if (full / item.name).exists()]
    if taken:
        raise ProjectError(
            f"{full} already holds {listing(sorted(taken))}; nothing in it was changed. Move that away first."
        )
    for item in sorted(draft.iterdir(), key=lambda item: item.name == PROJECT_FILE):
        item.rename(full / item.name)


def _fill(draft: Path, text: str) -> None:
    name = Scope.parse(text).project.name
    (draft / PROJECT_FILE).write_text(text, encoding="utf-8")
    (draft / ".gitignore").write_text(_IGNORED, encoding="utf-8")
    (draft / "README.md").write_text(_README.format(name=name, version=__version__), encoding="utf-8")
    (draft / "notebooks").mkdir()
    if not restore_notebooks(draft):
        raise NotebookError(
            "This installation has no notebooks. Install mlopskit again: pip install --force-reinstall mlopskit."
        )


def _stamp(source: Path, target: Path) -> None:
    notebook: dict[str, Any] = load_notebook(source)
    notebook["metadata"]["mlopskit"] = {"version": __version__}
    target.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _named(text: str, name: str) -> str:
    """Put the project's name into the text of a project file: the first ``name =`` below ``[project]``."""
    quoted = json.dumps(name, ensure_ascii=False)
    return re.sub(
        r'(\[project\][^\[]*?^name\s*=\s*)"[^"\n]*"', lambda m: m[1] + quoted, text, count=1, flags=re.M | re.S
    )
