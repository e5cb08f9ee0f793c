"""What is pictured: pages of one run of the income example, a site of made runs, and the notebooks in JupyterLab."""

from __future__ import annotations

from dataclasses import dataclass

OVERVIEW = "0_overview"
PHASES = ["1_scope", "2_data", "3_model", "4_evaluate", "5_slices_and_bias", "6_deploy", "7_monitor"]


@dataclass(frozen=True)
class Scene:
    """One picture: a page, from an element of it on, as wide and high as what is looked through."""

    name: str
    page: str
    at: str = ""
    width: int = 1180
    height: int = 860
    scheme: str = "light"
    medium: str = "screen"


PHONE = {"width": 390, "height": 844}
DARK = {"scheme": "dark"}
SHEET = {"width": 720, "height": 1000, "medium": "print"}

PAGES = [
    Scene("report", "report", height=1000),
    Scene("report-dark", "report", height=1000, **DARK),
    Scene("report-phone", "report", **PHONE),
    Scene("report-phone-dark", "report", **PHONE, **DARK),
    Scene("report-print", "report", **SHEET),
    Scene("report-evaluate", "report", at="phase-evaluate", height=1000),
    Scene("report-evaluate-dark", "report", at="phase-evaluate", height=1000, **DARK),
    Scene("report-evaluate-phone", "report", at="phase-evaluate", **PHONE),
    Scene("report-evaluate-print", "report", at="phase-evaluate", **SHEET),
    Scene("report-thresholds", "report", at="explore-thresholds"),
    Scene("report-thresholds-dark", "report", at="explore-thresholds", **DARK),
    Scene("report-thresholds-phone", "report", at="explore-thresholds", **PHONE),
    Scene("report-slices", "report", at="explore-slices"),
    Scene("report-slices-dark", "report", at="explore-slices", **DARK),
    Scene("report-slices-phone", "report", at="explore-slices", **PHONE),
    Scene("report-end", "report", at="provenance"),
    Scene("report-end-phone", "report", at="provenance", **PHONE),
    Scene("report-end-print", "report", at="provenance", **SHEET),
    Scene("model-card", "model_card"),
    Scene("model-card-dark", "model_card", **DARK),
    Scene("model-card-phone", "model_card", **PHONE),
    Scene("model-card-print", "model_card", **SHEET),
    Scene("data-card", "data_card"),
    Scene("data-card-dark", "data_card", **DARK),
    Scene("data-card-phone", "data_card", **PHONE),
    Scene("data-card-print", "data_card", **SHEET),
    Scene("site", "site"),
    Scene("site-dark", "site", **DARK),
    Scene("site-phone", "site", **PHONE),
    Scene("site-print", "site", **SHEET),
    Scene("comparison", "comparison"),
    Scene("comparison-dark", "comparison", **DARK),
    Scene("comparison-phone", "comparison", **PHONE),
    Scene("comparison-print", "comparison", **SHEET),
]
STARTS = {
    OVERVIEW: ("Run it", "Run it", "The criteria of the newest run", "The map"),
    "1_scope": ("", "What the model has to beat", "When is it good enough?", "What the model has to beat"),
    "2_data": ("", "How the target is distributed", "The target by group", "Every column"),
    "3_model": ("", "What it has to beat", "Where yes begins", "The candidates"),
    "4_evaluate": ("", "Metrics, with intervals", "Which mistakes", "Better than what?"),
    "5_slices_and_bias": ("", "All groups on one axis", "Disparities", "Where two columns meet"),
    "6_deploy": ("", "Degrees of automation", "Who is handed to people?", "Degrees of automation"),
    "7_monitor": ("", "Input and score drift", "Alerts", "Input and score drift"),
}
"""Headings that each notebook is pictured from: light, dark, on a phone, in print (no formula: they need a network)."""


def _notebook(name: str, light: str, dark: str, phone: str, paper: str) -> list[Scene]:
    """Picture a notebook in all ways, in the order in which its page is turned with the fewest steps."""
    width, scene = 1280 if name == OVERVIEW else 1080, f"notebook-{name}"
    return [
        Scene(scene, name, at=light, width=width, height=1200),
        Scene(f"{scene}-dark", name, at=dark, width=width, height=1200 if name == OVERVIEW else 860, **DARK),
        Scene(f"{scene}-phone", name, at=phone, **PHONE),
        Scene(f"{scene}-print", name, at=paper, **SHEET),
    ]


NOTEBOOKS = [scene for name, starts in STARTS.items() for scene in _notebook(name, *starts)]
SCENES = PAGES + NOTEBOOKS
README = [
    Scene("report", "report", width=1280, height=1180),
    Scene("jupyterlab", OVERVIEW, at="What is still open", width=1280, height=900),
]
"""The two pictures in docs/, taken with nothing overwritten."""
