"""How each kind of artefact is written, read and fingerprinted.

A table is Parquet, a record JSON, a chart SVG, prose Markdown, a model skops, anything of several files a folder. The
extension tells the kind, so a name without one is enough to ask for an artefact. Files appear by write-then-rename:
whoever finds a file finds a whole one. No pickle is ever read.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import importlib
import io
import json
import math
import os
import shutil
import zipfile
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from mlopskit.errors import MlopskitError

TRUSTED = frozenset(
    {
        "numpy.dtype",
        "sklearn.compose._column_transformer._RemainderColsList",
        "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
        "sklearn.tree._tree.Tree",
    }
)
"""What a model file may hold beside skops' own safe list, by full name: parts of forests, boosting, preparation."""

OWN_MODULES = ("mlopskit.data.", "mlopskit.mitigation.", "mlopskit.model.")
"""Where mlopskit's own estimators are defined; they may be held too, other names of these modules may not."""


class UntrustedModelError(MlopskitError):
    """A model file holds a type that is not on the trusted list."""

    @classmethod
    def from_types(cls, path: Path, types: list[str]) -> UntrustedModelError:
        """Name the types: loading them could run their code."""
        return cls(
            f"{path.name} holds types that are not trusted: {', '.join(sorted(types))}. "
            "Loading them could run code of theirs; only load models that you or your project wrote."
        )


def files_of(path: Path) -> list[Path]:
    """Return the file itself, or the files in a folder, sorted, those in folders that a link leads to included.

    A link that leads to a folder in which it lies is not followed: there is no end to it.
    """
    if not path.is_dir():
        return [path]
    found: list[Path] = []
    for home, folders, names in os.walk(path, followlinks=True):
        folders[:] = [name for name in folders if not _leads_back(Path(home, name))]
        found += (Path(home, name) for name in names)
    return sorted(file for file in found if file.is_file())


def _leads_back(folder: Path) -> bool:
    return folder.is_symlink() and any(map(folder.samefile, folder.parents))


def size(path: Path) -> int:
    """Return the bytes in a file, or in all files of a folder."""
    return sum(file.stat().st_size for file in files_of(path))


def sha256(path: Path) -> str:
    """Return the hex SHA-256 of a file, or of a folder's file names and contents in sorted order."""
    if path.is_dir():
        whole = hashlib.sha256()
        for file in files_of(path):
            whole.update(f"{file.relative_to(path).as_posix()}\0{sha256(file)}\n".encode())
        return whole.hexdigest()
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def digest(path: Path) -> str:
    """Return a fingerprint of what an artefact says, equal for equal content.

    The bytes decide, except for skops models, whose parts and members are numbered by memory address: there each member
    counts by its content and the numbers are left out.
    """
    if path.is_dir():
        whole = hashlib.sha256()
        for file in files_of(path):
            whole.update(f"{file.relative_to(path).as_posix()}\0{digest(file)}\n".encode())
        return whole.hexdigest()
    return _skops_digest(path) if path.suffix == ".skops" else sha256(path)


def _member_digest(content: bytes) -> str:
    """Fingerprint one member: by its bytes, but an array of records (a forest's nodes) by its fields.

    Between the fields of a record lies padding that holds whatever was in memory.
    """
    if content.startswith(b"\x93NUMPY") and b"'descr': [" in content[:128]:
        import numpy as np

        array = np.load(io.BytesIO(content), allow_pickle=False)
        parts = [array[name].tobytes() for name in array.dtype.names or ()]
        return hashlib.sha256(repr((array.dtype.descr, array.shape)).encode() + b"".join(parts)).hexdigest()
    return hashlib.sha256(content).hexdigest()


def _skops_digest(path: Path) -> str:
    with zipfile.ZipFile(path) as archive:
        schema = json.loads(archive.read("schema.json"))
        members = {name: _member_digest(archive.read(name)) for name in archive.namelist() if name != "schema.json"}

    def content(node: Any) -> Any:
        if isinstance(node, dict):
            return {key: content(value) for key, value in node.items() if key != "__id__"}
        if isinstance(node, list):
            return [content(item) for item in node]
        return members.get(node, node) if isinstance(node, str) else node

    return hashlib.sha256(json.dumps(content(schema), sort_keys=True).encode()).hexdigest()


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a path beside `path` to write to; it takes the place of `path` only when the block ends well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{uuid4().hex[:8]}.part")
    try:
        yield draft
        if path.is_dir():
            shutil.rmtree(path)
        draft.replace(path)
    finally:
        if draft.is_dir():
            shutil.rmtree(draft)
        else:
            draft.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file so that it is either the old one or the whole new one."""
    with replacing(path) as draft, draft.open("w", encoding="utf-8", newline="\n") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def to_json(value: Any) -> str:
    """Return JSON text for dataclasses, NumPy and pandas scalars, dates and paths; NaN and infinities become null."""
    return json.dumps(plain(value), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def plain(value: Any) -> Any:
    """Turn a value into what JSON can hold."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        items = sorted(value, key=str) if isinstance(value, set | frozenset) else value
        return [plain(item) for item in items]
    if hasattr(value, "to_parquet"):  # a table within a record
        return plain(value.to_dict("records"))
    if hasattr(value, "model_dump"):
        return plain(value.model_dump(mode="json", by_alias=True))
    if isinstance(value, dt.datetime | dt.date):
        return value.isoformat()
    return _plain_scalar(value)


def _plain_scalar(value: Any) -> Any:
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return str(value)


_ZIP_BEGINS = 1980


def _write_table(value: Any, path: Path) -> None:
    value.to_parquet(path, index=False)


def _write_model(value: Any, path: Path) -> None:
    from mlopskit.persistence import skops_io

    if (now := dt.datetime.now().astimezone()).year < _ZIP_BEGINS:
        raise MlopskitError(
            f"The clock of this machine says {now:%Y-%m-%d}, and the file of a model is a zip archive, which knows "
            f"no time before {_ZIP_BEGINS}. Set the clock, then run again."
        )
    # Trees are mostly repeated numbers: deflated they take a quarter of the room for a tenth of a second.
    skops_io.dump(value, path, compression=zipfile.ZIP_DEFLATED, compresslevel=1)


def _read_table(path: Path) -> Any:
    import pandas as pd

    return pd.read_parquet(path)


def _read_model(path: Path) -> Any:
    return load_model(path)


def load_model(path: Path, *, also_trust: Collection[str] = ()) -> Any:
    """Load a skops model after checking every type in it.

    Allowed are skops' own safe list, `TRUSTED`, the estimators of mlopskit itself, and what the caller trusts.

    Parameters
    ----------
    path : Path
        The model file.
    also_trust : collection of str
        Full names of further types, for instance those of a candidate that the project wrote itself.

    Raises
    ------
    UntrustedModelError
        When the file holds any other type; nothing of it has been built then.
    """
    from mlopskit.persistence import skops_io

    types = skops_io.get_untrusted_types(file=path)
    foreign = [name for name in _foreign(types) if name not in also_trust]
    if foreign:
        raise UntrustedModelError.from_types(path, foreign)
    return skops_io.load(path, trusted=types)


def foreign_types(path: Path) -> list[str]:
    """Return the types in a model file that neither skops nor mlopskit trusts; nothing is built to find out."""
    from mlopskit.persistence import skops_io

    return _foreign(skops_io.get_untrusted_types(file=path))


def _foreign(types: Collection[str]) -> list[str]:
    return [name for name in types if name not in TRUSTED and not _is_own_estimator(name)]


def _is_own_estimator(name: str) -> bool:
    """Tell whether `name` is an estimator that mlopskit defines, not merely something one of its modules imports."""
    module, _, attribute = name.rpartition(".")
    if not name.startswith(OWN_MODULES):
        return False
    try:
        found = getattr(importlib.import_module(module), attribute, None)
    except ImportError:
        return False
    return isinstance(found, type) and found.__module__ == module and hasattr(found, "get_params")


def _read_chart(path: Path) -> Any:
    from mlopskit.display import Chart

    return Chart.from_svg(path.read_text(encoding="utf-8"))


_READERS: dict[str, Callable[[Path], Any]] = {
    ".parquet": _read_table,
    ".json": lambda path: json.loads(path.read_text(encoding="utf-8")),
    ".md": lambda path: path.read_text(encoding="utf-8"),
    ".svg": _read_chart,
    ".skops": _read_model,
}

EXTENSIONS = tuple(_READERS)
"""What the file of an artefact may end with, unless it is a folder."""


def extension_of(value: Any) -> str:
    """Return the extension under which a value is kept: the kind follows from the value, never from the caller."""
    if hasattr(value, "to_parquet"):
        return ".parquet"
    if isinstance(value, str):
        return ".md"
    if hasattr(value, "svg"):
        return ".svg"
    if hasattr(value, "get_params") and hasattr(value, "fit"):
        return ".skops"
    return ".json"


def write(value: Any, path: Path) -> None:
    """Write a value to `path`, whose extension is `extension_of(value)`, whole or not at all."""
    if path.suffix in {".md", ".svg", ".json"}:
        text = value if path.suffix == ".md" else value.svg if path.suffix == ".svg" else to_json(value)
        write_text(path, text)
        return
    with replacing(path) as draft:
        (_write_table if path.suffix == ".parquet" else _write_model)(value, draft)


def read(path: Path) -> Any:
    """Read an artefact: DataFrame, plain data, text, `Chart`, estimator, or the path itself for a folder."""
    return path if path.is_dir() else _READERS[path.suffix](path)
