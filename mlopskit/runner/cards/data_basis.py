"""What the run knows of a data card: motivation, composition, collection, preprocessing, uses, distribution."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mlopskit.runner.cards.content import Filled, Grid, Said
from mlopskit.runner.cards.known import Known, filled, grid, said, sentences, words
from mlopskit.runner.cards.model_results import prepared, shares
from mlopskit.runner.report.evidence import Row
from mlopskit.runner.report.marks import is_number, number, size
from mlopskit.runner.report.page import moment

COLUMNS = 60
"""Columns of the source that the card lists; the artefact has all."""


def data_basis(known: Known) -> Mapping[str, Filled]:
    """Return what is known of each field, by its id."""
    return {
        **_motivation(known),
        **_composition(known),
        **_people(known),
        **_collection(known),
        **_preprocessing(known),
        **_uses(known),
        **_keeping(known),
    }


def _origin(known: Known) -> Said | None:
    origin = words(known.data.get("origin"))
    return said(f"Origin, as the project file has it: {origin}.", "scope/data", when=origin)


def _motivation(known: Known) -> dict[str, Filled]:
    project = known.record("scope/project")
    question, decision = words(project.get("question")), words(project.get("decision"))
    return {
        "data.motivation.purpose": filled(
            said(f"This project uses it to answer: {question}", "scope/project", when=question),
            said(f"That supports this decision: {decision}", "scope/project", when=decision),
            rest="for what the dataset was created in the first place.",
        ),
        "data.motivation.creator": filled(_origin(known), rest="on behalf of which entity."),
    }


def _composition(known: Known) -> dict[str, Filled]:
    source, group = known.record("data/source"), words(known.data.get("group"))
    rows, columns = source.get("rows"), source.get("columns")
    modality = words(known.data.get("modality"))
    return {
        "data.composition.instances": filled(
            said(f"Rows of {modality} data.", "scope/data", when=modality and is_number(rows)),
            rest="what one row stands for.",
        ),
        "data.composition.count": filled(
            said(f"{number(rows)} rows of {number(columns)} columns.", "data/source", when=is_number(rows)),
            _splits(known),
        ),
        "data.composition.features": filled(_features(known)),
        "data.composition.target": filled(
            said(f"The target is {known.target}.", "data/target", when=known.target), *_balance(known)
        ),
        "data.composition.missing": _missing(known),
        "data.composition.relations": filled(
            said(f"Rows with the same {group} belong to one unit and stay on one side of the split.", "scope/data",
                 when=group),
        ),
        "data.composition.splits": filled(*_split_words(known)),
        "data.composition.errors": filled(_checks(known), *sentences(known, "data", about=["data/labels"])),
        "data.composition.self_contained": filled(*_source(source)),
    }  # fmt: skip


def _splits(known: Known) -> Grid | None:
    return grid(
        "Rows by part",
        ("part", "rows", "share", "first", "last"),
        (
            (words(row.get("split")), number(row.get("n")), number(row.get("share")), words(row.get("first")) or "–",
             words(row.get("last")) or "–")
            for row in known.table("data/split")
        ),
        "data/split",
        numeric=("rows", "share"),
    )  # fmt: skip


def _features(known: Known) -> Grid | None:
    rows = known.table("data/schema")
    missing = {row.get("feature"): row.get("missing_share") for row in known.table("data/profile")}
    return grid(
        "Columns of the development rows",
        ("column", "part it plays", "kind", "values", "missing"),
        (
            (words(row.get("feature")), words(row.get("role")), words(row.get("kind")), _range(row),
             _percent(missing.get(row.get("feature"))))
            for row in rows[:COLUMNS]
        ),
        "data/schema",
        numeric=("missing",),
        note=f"{len(rows) - COLUMNS} more stand in the artefact." if len(rows) > COLUMNS else "",
    )  # fmt: skip


def _range(row: Row) -> str:
    if is_number(row.get("low")) and is_number(row.get("high")):
        return f"{_plain(row['low'])} to {_plain(row['high'])}"
    categories = list(row.get("categories") or [])
    return words(categories, limit=8) if categories else "–"


def _plain(value: float) -> str:
    """A bound of a column may be a year, which takes no comma."""
    return str(int(value)) if float(value).is_integer() and abs(value) < 10_000 else number(value)


def _percent(value: Any) -> str:
    if not is_number(value):
        return "–"
    return f"{100 * value:.1f} %" if value == 0 or value >= 0.001 else "under 0.1 %"


def _balance(known: Known) -> Iterator[Said]:
    for row in known.table("data/quality"):
        if row.get("code") in {"DAT004", "DAT005"}:
            yield Said(f"{words(row.get('check'))}: {words(row.get('detail'))}.", "data/quality")


def _missing(known: Known) -> Filled:
    rows = [row for row in known.table("data/quality") if row.get("code") in {"DAT001", "DAT004"}]
    issues = [row for row in rows if row.get("outcome") == "issue"]
    found = (
        Said(f"{words(row.get('subject'))}: {words(row.get('detail'))}.", "data/quality") for row in issues or rows
    )
    return filled(*found, rest="why it is missing." if issues else "")


def _split_words(known: Known) -> Iterator[Said | None]:
    rows, how = known.table("data/split"), words(known.data.get("split"))
    if not rows:
        return
    parts = words([f"{row.get('split')} {number(row.get('n'))}" for row in rows])
    yield Said(f"{parts}.", "data/split")
    began = known.data.get("production_from")
    yield said(f"The split is {how}, as the project file asks.", "scope/data", when=how)
    yield said(f"What comes from {began} on rehearses production.", "scope/data", when=began is not None)


def _checks(known: Known) -> Grid | None:
    rows = known.table("data/quality")
    counts = {name: sum(row.get("outcome") == name for row in rows) for name in ("passed", "not applicable")}
    shown = [row for row in rows if row.get("outcome") in {"issue", "could not check"}]
    note = f"Besides these, {counts['passed']} checks passed and {counts['not applicable']} do not apply."
    if rows and not shown:
        shown = [{"check": "all checks", "outcome": "passed", "detail": "none found an issue"}]
    return grid(
        "Checks of the data that found an issue, or could not be made",
        ("check", "subject", "outcome", "detail"),
        (
            (" ".join(filter(None, (words(row.get("code")), words(row.get("check"))))),
             *(words(row.get(key)) or "–" for key in ("subject", "outcome", "detail")))
            for row in shown
        ),
        "data/quality",
        note=note,
    )  # fmt: skip


def _source(source: Row) -> Iterator[Said]:
    if not source:
        return
    sha256 = words(source.get("sha256"))
    name, read_as = words(source.get("file_name")), words(source.get("read_as"))
    if words(source.get("query")):
        yield Said(f"It was read by a query: {words(source['query'])}", "data/source")
    elif name:
        yield Said(f"One file: {name} ({read_as}, {size(source.get('bytes'))}).", "data/source")
    text = f"Its SHA-256 is {sha256}." if sha256 else "It has no fixed content: asked again, it may answer differently."
    yield Said(text, "data/source")


def _people(known: Known) -> dict[str, Filled]:
    sensitive = words(known.data.get("sensitive"))
    identifiers = [row for row in known.table("data/quality") if row.get("code") == "DAT010"]
    return {
        "data.composition.subpopulations": filled(shares(known)),
        "data.composition.identification": filled(
            *(Said(f"{words(row.get('check'))}: {words(row.get('detail'))}.", "data/quality") for row in identifiers),
            _floor(known),
            rest="whether columns together, or with other data, identify a person.",
        ),
        "data.composition.sensitive": filled(
            said(f"The project file calls sensitive: {sensitive}.", "scope/data", when=sensitive),
            rest="whether other columns are sensitive as well.",
        ),
    }


def _floor(known: Known) -> Said | None:
    """What is withheld, and which files hold rows of persons."""
    floor = known.data.get("privacy_floor") or 0
    if floor < 2:
        return None
    from mlopskit.tally.floor.tables import ROWS_STAY

    return Said(f"Counts below {floor}, and what would give them away, are withheld. {ROWS_STAY}", "scope/data")


def _collection(known: Known) -> dict[str, Filled]:
    column = words(known.data.get("time"))
    rows = [row for row in known.table("data/split") if words(row.get("first")) and words(row.get("last"))]
    first = min((str(row["first"]) for row in rows), key=_order, default="")
    last = max((str(row["last"]) for row in rows), key=_order, default="")
    read = known.record("data/retrieval").get("retrieved")
    return {
        "data.collection.acquired": filled(_origin(known), rest="how each value was observed, reported or derived."),
        "data.collection.timeframe": filled(
            said(f"The rows with a target are dated {first} to {last} in the column {column}.", "data/split",
                 when=rows and column),
            said(f"They were read at {moment(read)}.", "data/retrieval", when=rows and column and read),
        ),
    }  # fmt: skip


def _order(moment: str) -> tuple[float, str]:
    """Order years and other numbers by size, dates in ISO form as text."""
    try:
        return float(moment), ""
    except ValueError:
        return 0.0, moment


def _preprocessing(known: Known) -> dict[str, Filled]:
    kept = [name for name in ("train", "validation", "test", "production") if known.file(f"data/{name}")]
    sha256 = words(known.record("data/source").get("sha256"))
    manifest = known.evidence.manifest
    environment = manifest.get("environment") if isinstance(manifest.get("environment"), dict) else {}
    packages = environment.get("distributions") if isinstance(environment, dict) else None
    version = packages.get("mlopskit") if isinstance(packages, dict) else None
    phase = known.phase("data")
    return {
        "data.preprocessing.done": filled(*prepared(known), rest="what was done before the source was read."),
        "data.preprocessing.raw": filled(
            said(f"The run keeps its rows as they were read, in the parts {words(kept)}.", "data/split", when=kept),
            said(f"The source is recognised by its SHA-256, {sha256}.", "data/source", when=sha256 and kept),
            rest="whether what lies before the source is kept.",
        ),
        "data.preprocessing.software": filled(
            said(f"The notebook data/notebook.ipynb of this run, with mlopskit {version}.",
                 when=phase and phase.cells and version),
            rest="the software that was used before the source was read.",
        ),
    }  # fmt: skip


def _uses(known: Known) -> dict[str, Filled]:
    ran = known.phase("model")
    text = f"In this run, to train a model that predicts {known.target}."
    moved = [row for row in known.table("monitor/alerts") if row.get("status") == "alert" and row.get("text")]
    return {
        "data.uses.already": filled(
            said(text, "data/target", when=ran and known.target), rest="for which other tasks it has been used."
        ),
        "data.uses.impact": filled(
            *sentences(known, "data", tones=["warning", "bad"]),
            *(Said(str(row["text"]), "monitor/alerts") for row in moved if row.get("metric") == "drift"),
            rest="what a person who knows the collection would warn of.",
        ),
    }


def _keeping(known: Known) -> dict[str, Filled]:
    licence, role = words(known.data.get("licence")), words(known.roles.get("data"))
    return {
        "data.distribution.licence": filled(
            said(f"Licence, as the project file has it: {licence}.", "scope/data", when=licence)
        ),
        "data.maintenance.who": filled(
            said(f"{role} answers for the data in this project.", "scope/project", when=role),
            rest="who hosts and maintains the dataset itself.",
        ),
        "data.maintenance.contact": filled(
            said(f"{role} answers for the data in this project.", "scope/project", when=role),
            rest="the address to write to.",
        ),
    }
