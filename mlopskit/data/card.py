"""The data card: what someone who was not there needs to know of a data set before using it.

Its sections are those of datasheets for data sets. It is filled from evidence and from the project file; what neither
answers stays in the card as an open question, since a gap that is seen gets asked about.

References
----------
Gebru, T. et al. (2021). Datasheets for datasets. Communications of the ACM 64 (12), 86-92.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from mlopskit import display
from mlopskit.errors import listing

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from mlopskit.data.columns import Columns, Target
    from mlopskit.scope import Data, Project

OPEN = "*Open question:* "


def data_card(
    *,
    project: Project,
    data: Data,
    source: Mapping[str, Any],
    columns: Columns,
    target: Target,
    split: pd.DataFrame,
    quality: pd.DataFrame,
    groups: pd.DataFrame,
) -> str:
    """Return the data card as Markdown.

    Parameters
    ----------
    project, data : Project, Data
        What the project file says.
    source : mapping
        The provenance record of `read_source`.
    columns, target : Columns, Target
        Which part each column plays, and what is predicted.
    split, quality, groups : DataFrame
        As `split_summary`, `findings_table` and `group_profile` return them.

    Returns
    -------
    str
        Every value from data or project file escaped: it is text in the card, never markup.
    """
    sections = {
        "Motivation": _motivation(project),
        "Composition": _composition(source, columns, target, split),
        "Known problems": _problems(quality),
        "People": _people(data, groups),
        "Collection": _collection(data, source),
        "Preparation": _preparation(data, split),
        "Uses": _uses(project, data, target),
        "Distribution and maintenance": _maintenance(project, source),
    }
    parts = [f"# Data card: {escape(project.name)}"]
    parts += [f"## {title}\n\n" + "\n".join(lines) for title, lines in sections.items()]
    return "\n\n".join(parts) + "\n"


def escape(value: Any) -> str:
    """Return a value as Markdown text that cannot become markup or HTML.

    Examples
    --------
    >>> escape("<script>")
    '&lt;script&gt;'
    """
    text = (
        re.sub(r"\s+", " ", display.format_value(value)).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    )
    return re.sub(r"([\\`*_{}\[\]|#~$!])", r"\\\1", text)


def open_questions_of(card: str) -> list[str]:
    """Return the questions that a card leaves open, in order."""
    return [line.split(OPEN, 1)[1] for line in card.splitlines() if OPEN in line]


def card_note(card: str) -> display.Note:
    """Say how much of the card is answered, and what is not."""
    questions = open_questions_of(card)
    n = sum(line.startswith("- ") for line in card.splitlines())
    more = "`mlopskit card` asks more, of the whole run."
    if not questions:
        return display.note(f"This card answers all of its {n} points; {more}", tone="good")
    head = f"This card answers {n - len(questions)} of its {n} points; {more} Still open:"
    return display.note(head, *(f"– {question}" for question in questions), tone="warning")


def _fact(label: str, value: Any, question: str) -> str:
    answered = value is not None and value != "" and value != []
    text = escape(listing(value) if isinstance(value, list | tuple) else value) if answered else OPEN + question
    return f"- **{label}:** {text}"


def _motivation(project: Project) -> list[str]:
    return [
        _fact("Question", project.question, "Which question were the data brought together to answer?"),
        _fact("Decision it supports", project.decision, "Which decision depends on the answer?"),
    ]


def _composition(source: Mapping[str, Any], columns: Columns, target: Target, split: pd.DataFrame) -> list[str]:
    sizes = [f"{row['split']} {row['n']:,}" for row in split.to_dict("records")]
    classes = listing(target.classes) if target.classes else "a quantity"
    return [
        _fact("Rows and columns", f"{source['rows']:,} rows, {source['columns']} columns", ""),
        _fact("Target", f"{target.column}: {classes}", ""),
        _fact("Rows with a target", f"{int(split['n'].sum()):,} ({listing(sizes)})", ""),
        _fact("Features", f"{len(columns.features)}: {listing(columns.features, limit=40)}", ""),
        _fact("Time", _span(split) if columns.time else None, "Which column tells when a row arose?"),
    ]


def _span(split: pd.DataFrame) -> str | None:
    first, last = split["first"].dropna(), split["last"].dropna()
    return f"{first.min()} to {last.max()}" if len(first) else None


def _problems(quality: pd.DataFrame) -> list[str]:
    issues = quality.loc[quality["outcome"] == "issue"].to_dict("records")
    looked = int((quality["outcome"] != "not applicable").sum())
    if not issues:
        return [f"- None found by {looked} checks."]
    return [
        f"- {escape(row['code'])} {escape(row['check'])}, {escape(row['subject'])}: {escape(row['detail'])}."
        for row in issues
    ]


def _people(data: Data, groups: pd.DataFrame) -> list[str]:
    named = _fact("Sensitive columns", data.sensitive, "Which columns describe people that must not be treated worse?")
    lines = [named]
    for column in data.sensitive:
        rows = groups.loc[(groups["slice"] == column) & groups["value"].notna()]
        said = [f"{row['group']} {row['value']:.3g} of {row['n']:,}" for row in rows.head(12).to_dict("records")]
        if said:
            lines.append(f"- **{escape(column)}** ({escape(rows['metric'].iloc[0])}): {escape('; '.join(said))}")
    if data.privacy_floor > 1:
        from mlopskit.tally.floor.tables import ROWS_STAY

        lines.append(f"- **Privacy floor:** counts below {data.privacy_floor} are withheld. {ROWS_STAY}")
    lines.append(f"- **Consent:** {OPEN}Did those described agree to this use, and can they withdraw?")
    return lines


def _collection(data: Data, source: Mapping[str, Any]) -> list[str]:
    began = None if data.production_from is None else str(data.production_from)
    return [
        _fact("Origin", source.get("origin"), "Who collected the data, how and when?"),
        _fact("Source", source["source"], ""),
        _fact("Query", source["query"], "") if source["query"] else "- **Query:** none, a whole file",
        _fact("SHA-256", source["sha256"] or "none: a live source may answer differently", ""),
        _fact("Sampling", None, "Whom does the sample leave out?"),
        _fact("Production begins", began, "Which rows stand for production? A random share is kept back."),
    ]


def _preparation(data: Data, split: pd.DataFrame) -> list[str]:
    shares = [f"{row['split']} {100 * row['share']:.0f} %" for row in split.to_dict("records")]
    ways = {"stratified": "with classes in proportion", "group": f"by {data.group}", "time": f"by {data.time}"}
    return [
        _fact("Split", f"{data.split}, {ways[data.split]}: {listing(shares)}; equal rows stay on one side", ""),
        _fact("Never used as features", listing(data.exclude), ""),
    ]


def _uses(project: Project, data: Data, target: Target) -> list[str]:
    return [
        _fact(
            "Intended use",
            f"to predict {target.column} ({data.task})" + (f", for: {project.decision}" if project.decision else ""),
            "",
        ),
        _fact("Uses to refrain from", None, "What must these data not be used for?"),
    ]


def _maintenance(project: Project, source: Mapping[str, Any]) -> list[str]:
    return [
        _fact("Licence", source.get("licence"), "Under which licence may the data be used and passed on?"),
        _fact("Answers for the data", project.roles.data, "Who answers for the data?"),
        _fact("Corrections", None, "How are wrong rows reported, and who corrects them?"),
    ]
