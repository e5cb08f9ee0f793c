"""The data phase in a few figures and sentences: what the first screen of a report is made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlopskit import display
from mlopskit.errors import listing

if TYPE_CHECKING:
    import pandas as pd

    from mlopskit.data.columns import Target
    from mlopskit.data.labels import LabelCheck


def summarise_data(
    *,
    target: Target,
    rows: int,
    split: pd.DataFrame,
    quality: pd.DataFrame,
    groups: pd.DataFrame,
    labels: LabelCheck,
) -> dict[str, Any]:
    """Return facts, statements and next steps, each computed from the tables handed in.

    Parameters
    ----------
    target : Target
        What is predicted.
    rows : int
        Rows of the source.
    split, quality, groups : DataFrame
        As `split_summary`, `findings_table` and `group_profile` return them.
    labels : LabelCheck
        Suspected label errors.
    """
    return {
        "facts": _facts(target, rows, split, groups),
        "statements": _statements(target, quality, groups, labels),
        "next": _next(quality),
    }


def _fact(label: str, value: Any, explain: str, artefact: str, **more: Any) -> dict[str, Any]:
    blank = dict.fromkeys(("low", "high", "n", "baseline", "baseline_label"))
    return {"label": label, "value": value, **blank, "explain": explain, "artefact": artefact} | more


def _facts(target: Target, rows: int, split: pd.DataFrame, groups: pd.DataFrame) -> list[dict[str, Any]]:
    sizes = dict(zip(split["split"], split["n"].astype(int), strict=True))
    development = sum(n for name, n in sizes.items() if name != "production")
    facts = [
        _fact("Rows in the source", rows, "All rows, those without a target included.", "data/source"),
        _fact("Development rows", development, "Train, validation and test rows, each with a target.", "data/split"),
        _fact("Production rows", sizes.get("production", 0), "Kept back to rehearse what comes after.", "data/split"),
    ]
    if target.task != "multiclass":
        overall = groups.loc[groups["slice"] == "overall"].to_dict("records")[0]
        label = f"Share of {target.positive}" if target.is_classification else f"Mean {target.column}"
        interval = {key: float(overall[key]) for key in ("low", "high")} | {"n": int(overall["n"])}
        facts.append(_fact(label, float(overall["value"]), "In the training rows.", "data/groups", **interval))
    return facts


def _statements(
    target: Target, quality: pd.DataFrame, groups: pd.DataFrame, labels: LabelCheck
) -> list[dict[str, str]]:
    issues = quality.loc[quality["outcome"] == "issue"]
    unseen = int((quality["outcome"] == "could not check").sum())
    looked = int(quality["outcome"].isin(["passed", "issue"]).sum())
    head = f"{len(issues)} of {looked} data checks found an issue"
    tone = "warning" if len(issues) or unseen else "good"
    said = [_statement(head + (f", {unseen} could not look." if unseen else "."), tone, "data/quality")]
    grave = issues.loc[issues["code"].isin(["DAT003", "DAT006", "DAT007", "DAT008", "DAT020"])]
    said += [
        _statement(f"{row['check'].capitalize()}: {row['subject']}: {row['detail']}.", "bad", "data/quality")
        for row in grave.head(3).to_dict("records")
    ]
    gap = _widest_gap(groups, target)
    said += [_statement(gap, "plain", "data/groups")] if gap else []
    if labels.outcome == "passed":
        text = f"{labels.portion} of {labels.n:,} labels looked at are doubtful."
        said.append(_statement(text[0].upper() + text[1:], "plain", "data/labels"))
    return said


def _statement(text: str, tone: str, artefact: str) -> dict[str, str]:
    return {"text": text, "tone": tone, "artefact": artefact}


def _widest_gap(groups: pd.DataFrame, target: Target) -> str:
    """The column whose groups differ most in the target, of groups with at least thirty rows."""
    if target.task == "multiclass":
        return ""
    large = groups.loc[(groups["slice"] != "overall") & (groups["n"].fillna(0) >= 30) & groups["value"].notna()]
    gaps = {}
    for name, rows in large.groupby("slice", sort=True):
        ordered = rows.sort_values("value", kind="stable").to_dict("records")
        gaps[str(name)] = (ordered[-1]["value"] - ordered[0]["value"], ordered[0], ordered[-1])
    if not gaps:
        return ""
    name = max(gaps, key=lambda key: (gaps[key][0], key))
    low, high = gaps[name][1:]
    what = f"The share of {target.positive}" if target.is_classification else f"The mean of {target.column}"
    return (
        f"{what} differs most by {name}: {low['value']:.3g} in {low['group']}, {high['value']:.3g} in {high['group']}."
    )


def _next(quality: pd.DataFrame) -> list[dict[str, str]]:
    issues = set(quality.loc[quality["outcome"] == "issue", "code"])
    steps = []
    if issues & {"DAT006", "DAT007", "DAT008"}:
        steps.append({"text": "Settle the suspected leakage before any model is believed.", "phase": "data"})
    if "DAT020" in issues:
        steps.append({"text": "Say whose rows they are in [data] group.", "phase": "scope"})
    if "DAT010" in issues or "DAT009" in issues:
        steps.append({"text": "Exclude identifiers and constant columns in [data] exclude.", "phase": "scope"})
    if "could not check" in set(quality["outcome"]):
        steps.append({"text": "Declare what a check needs: sensitive columns, time or group.", "phase": "scope"})
    return steps


def quality_note(quality: pd.DataFrame) -> display.Note:
    """Say in a sentence what the checks found."""
    counts = quality["outcome"].replace("issue", "with an issue").value_counts()
    parts = [
        f"{int(counts[name])} {name}"
        for name in ("with an issue", "passed", "could not check", "not applicable")
        if name in counts
    ]
    subjects = quality.loc[quality["outcome"] == "issue", "code"].drop_duplicates()
    tail = f" See {listing(subjects)}." if len(subjects) else ""
    return display.note(f"Findings: {listing(parts)}.{tail}", tone="warning" if len(subjects) else "good")
