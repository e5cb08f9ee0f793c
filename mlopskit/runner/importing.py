"""What the server of warm kernels imports ahead: what each kernel needs, and what the notebooks import.

Only what is installed, and only where that makes no difference: what a cell imports must be what it would have found.
"""

from __future__ import annotations

import ast
import contextlib
import importlib.util
import re
from collections.abc import Iterable
from itertools import chain, takewhile
from pathlib import Path

from mlopskit.notebooks import load_notebook, source_of
from mlopskit.runs.modules import is_installed

_KERNEL = (
    "ipykernel.kernelapp", "ipykernel.ipkernel", "ipykernel.zmqshell", "IPython.core.completer", "debugpy", "numpy",
    "threadpoolctl", "pandas", "pyarrow.parquet",
)  # fmt: skip
"""What every kernel needs, and what is set in it after the fork: imported first, so that the first kernel can start."""

_HEAVY = (
    "scipy.stats", "pyarrow.dataset",
    "sklearn.ensemble", "sklearn.linear_model", "sklearn.pipeline", "sklearn.compose", "sklearn.preprocessing",
    "sklearn.impute", "sklearn.model_selection", "sklearn.feature_extraction.text", "sklearn.cluster", "sklearn.dummy",
    "matplotlib.figure", "matplotlib.backends.backend_svg", "matplotlib.pyplot", "matplotlib.backends.backend_agg",
    "mlopskit.persistence", "pandera.pandas", "cleanlab.filter",
)  # fmt: skip
"""What costs most of a kernel's start; the package imports much of it only where it is used."""

_LATER = (
    "shap", "fairlearn.metrics", "fairlearn.reductions", "fairlearn.postprocessing", "mapie.classification", "httpx",
    "httpcore", "sqlalchemy.dialects.sqlite", "jinja2",
)  # fmt: skip
"""The same, for phases that come later."""

_ROOMS = frozenset({"data", "model", "evaluate", "deploy", "monitor"})
"""The parts of the package that use these: where no notebook calls one, no kernel waits for them."""

_SETS = re.compile(
    r"environb?\s*(?:\[(?:[^\[\]]|\[[^\[\]]*\])+\]\s*[+|]?=(?!=)|\|="
    r"|\.\s*(?:update|setdefault|pop|popitem|clear|__\w+item__)\()"
    r"|\bdel\s.*environ|\benviron\s+as\s|=\s*(?:os\.)?environ\s*(?:$|[;#])"  # by another name it may be set, too
    r"|\b(?:putenv|unsetenv|load_dotenv|read_env)\("
    r"|^\s*%(?:dotenv\b|(?:set_)?env\s+\w+[ =])",
    re.MULTILINE,
)
"""How a cell sets environment variables."""

_HEARS = re.compile(
    r"^(?![ \t]*#).*\b(?:resetwarnings\(|(?:simplefilter|filterwarnings)\(\s*(?!(?:action\s*=\s*)?[\"']ignore[\"']))",
    re.MULTILINE,
)
"""How a cell makes warnings heard, those of imports among them; who ignores some does not miss them."""

_INSTALLS = re.compile(
    r"^[ \t]*[!%].*\b(?:pip3?|conda|mamba|micromamba|uv)\b"
    r"|^(?![ \t]*#).*\b(?:pip3?|conda|mamba|micromamba|uv)\b[^#]{1,40}?\b(?:install|add|sync)\b",
    re.MULTILINE,
)
"""How a cell installs something, in IPython's words or through another process; a comment installs nothing."""

_WITH_SHELL = frozenset({"matplotlib_inline"})
"""Modules that tie themselves to the shell while they are imported, which is quick."""

_CELL_MAGIC = re.compile(r"\s*%%(?P<python>(?:time|timeit|capture)\b)?.*")
_LINE_MAGIC = re.compile(r"^([ \t]*)(?:[\w., \t]+=[ \t]*)?[!%](?:.*\\\n)*.*$", re.MULTILINE)
"""Lines that are IPython's: magics and commands, with what is assigned from them and the lines that continue them."""

_IMPORTS = re.compile(r"^\s*(?:import|from)\s", re.MULTILINE)

_PACKAGE = Path(__file__).resolve().parents[1]


def kernel_statements() -> list[str]:
    """Return the import statements that every kernel wants, whatever its notebook."""
    return [f"import {name}" for name in _KERNEL]


def import_statements(notebooks: Iterable[Path], project: Path) -> list[str]:
    """Return the import statements to execute ahead, in the order in which kernels will want them.

    What a kernel itself needs, the first notebook's, then what the package imports only where it is used, and those of
    the other notebooks: the first kernel is forked while the server still imports for the later ones.

    A module that is not installed, the project's own or one under development elsewhere, is never among them: it is the
    notebook's to import, as it is when it does.
    """
    wanted: list[list[str]] = [*(imports_of(path, project) for path in notebooks), [], []]
    first, second, *others = wanted
    called = any("mlopskit" in line and _ROOMS & set(re.findall(r"\w+", line)) for line in chain(*wanted))
    heavy, later = ([f"import {name}" for name in names if called] for names in (_HEAVY, _LATER))
    return list(dict.fromkeys([*kernel_statements(), *first, *heavy, *second, *later, *chain(*others)]))


def imports_of(notebook: Path, project: Path) -> list[str]:
    """Return the import statements of a notebook's cells that may be executed ahead."""
    return imports_in(sources_of(notebook), project)


def sources_of(notebook: Path) -> list[str]:
    """Return the sources of a notebook's code cells."""
    return [source_of(cell) for cell in load_notebook(notebook)["cells"] if cell.get("cell_type") == "code"]


def prepares_imports(sources: Iterable[str]) -> bool:
    """Tell whether cells do something for imports that follow.

    That is to set variables, of which libraries read many while they are imported, or to have warnings shown or raised.
    """
    whole = "\n".join(sources)
    found = [said.end() for said in (_SETS.search(whole), _HEARS.search(whole)) if said is not None]
    return bool(found) and _IMPORTS.search(whole, min(found)) is not None


def imports_in(sources: Iterable[str], project: Path) -> list[str]:
    """Return the import statements of cells that may be executed ahead for a kernel in `project`, each once.

    From the cell on that changes the path or installs something, it is the cells that decide which module a name
    stands for.
    """
    ahead = takewhile(lambda source: "sys.path" not in source and not _INSTALLS.search(source), sources)
    nodes = [node for source in ahead for node in _imports(source)]
    return list(dict.fromkeys(ast.unparse(node) for node in nodes if _installed(node, project)))


def _imports(source: str) -> list[ast.Import | ast.ImportFrom]:
    for text in (source, _without_magics(source)):
        with contextlib.suppress(SyntaxError):  # the cell says so when it runs
            return [node for node in ast.parse(text).body if isinstance(node, ast.Import | ast.ImportFrom)]
    return []


def _without_magics(source: str) -> str:
    """Return what is Python in a cell; IPython, which knows best, takes too long to import here."""
    first, _, rest = source.lstrip().partition("\n")
    if (magic := _CELL_MAGIC.match(first)) is not None:
        source = rest if magic["python"] else ""
    return _LINE_MAGIC.sub(r"\1pass", source)


def _installed(node: ast.Import | ast.ImportFrom, project: Path) -> bool:
    names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
    tops = {name.partition(".")[0] for name in names}
    return not tops & _WITH_SHELL and all(_is_elsewhere(top, project) for top in tops)


def _is_elsewhere(top: str, project: Path) -> bool:
    """Tell whether a module is installed, and the project has none of its name; in a checkout it has this package."""
    if top == _PACKAGE.name and not (project / f"{top}.py").exists():
        return not (project / top).exists() or (project / top).resolve() == _PACKAGE
    return not (project / f"{top}.py").exists() and not (project / top).exists() and _is_installed_module(top)


def _is_installed_module(top: str) -> bool:
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):  # a relative import has no top
        return False
    if spec is None or not (spec.has_location or spec.submodule_search_locations):
        return spec is not None  # it is part of the interpreter
    return all(map(is_installed, spec.submodule_search_locations or [str(spec.origin)]))
