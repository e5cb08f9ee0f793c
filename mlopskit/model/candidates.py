"""The kinds of model that are tried: linear, forest, boosting, or a class of your own.

Each kind is an estimator and a space of settings. The first configuration is the one that usually does well; the
rest are drawn at random, which finds good settings sooner than a grid when few of them matter (Bergstra and Bengio
2012).
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.machinery import PathFinder
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mlopskit.data import Target
from mlopskit.errors import ModelError

if TYPE_CHECKING:
    from mlopskit.scope import Scope

BUILT_IN = ("linear", "forest", "boosting")

Settings = dict[str, Any]
Range = tuple[float, float]
Space = Mapping[str, Any]

# A tuple of two floats is a range that is drawn on the log scale, a list is a choice.
_SPACES: Mapping[str, tuple[Settings, Space]] = {
    "linear": ({"strength": 1.0}, {"strength": (1e-3, 1e2)}),
    "forest": (
        {"max_leaf_nodes": 256, "min_samples_leaf": 5, "max_features": "sqrt"},
        {"max_leaf_nodes": [64, 128, 256], "min_samples_leaf": [2, 5, 10, 20], "max_features": ["sqrt", 0.2, 0.4]},
    ),
    "boosting": (
        {"learning_rate": 0.1, "max_leaf_nodes": 15, "min_samples_leaf": 20, "l2_regularization": 0.0},
        {
            "learning_rate": (0.05, 0.3), "max_leaf_nodes": [4, 8, 15, 31], "min_samples_leaf": [10, 20, 40],
            "l2_regularization": (1e-2, 1e1),
        },
    ),
}  # fmt: skip


_FIXED: Mapping[str, Settings] = {
    "forest": {"n_estimators": 100},
    # Boosting stops when a tenth of its training rows, kept back, shows no more gain: validation rows stay unseen.
    "boosting": {"early_stopping": True, "n_iter_no_change": 10},
}


def candidate_problems(scope: Scope, project: Path) -> list[str]:
    """Return what is wrong with the names in ``[model] candidates``, without importing anything of the project's."""
    return [problem for name in scope.model.candidates if (problem := _name_problem(name, project))]


def _name_problem(name: str, project: Path) -> str | None:
    if ":" not in name:
        return None if name in BUILT_IN else str(ModelError.from_unknown_candidate(name, BUILT_IN))
    package = name.partition(":")[0].partition(".")[0]
    importlib.invalidate_caches()
    if package in sys.modules or PathFinder.find_spec(package, [str(project), *sys.path]) is not None:
        return None
    own = _modules_beside(project)
    return str(ModelError.from_import(name, f"there is no module {package!r}", own, package))


def _modules_beside(project: Path) -> list[str]:
    return sorted(item.stem for item in project.glob("*.py")) or [f"no .py files in {project}"]


@dataclass(frozen=True)
class Candidate:
    """One kind of model with one configuration, not fitted yet.

    Attributes
    ----------
    name : str
        ``linear``, ``forest``, ``boosting`` or ``package.module:Estimator``.
    settings : dict
        What was drawn.
    estimator : estimator
        Built with these settings.
    """

    name: str
    settings: Settings
    estimator: Any


def draw_candidates(
    name: str, *, budget: int, target: Target, project: Path, seed: int, max_iter: int = 100
) -> list[Candidate]:
    """Return at most `budget` different configurations of one kind of model, the sensible default first.

    Parameters
    ----------
    name : str
        A built-in kind or ``package.module:Estimator``; such a class may say what to try in an attribute
        ``search_space``: a mapping from its parameters to a list of choices or a ``(low, high)`` range of floats, drawn
        on the log scale.
    budget : int
        How many configurations.
    target : Target
        Decides between classifier and regressor.
    project : Path
        The project's folder, where its own modules are found.
    seed : int
        Same seed, same configurations.
    max_iter : int
        Iterations at most of linear models and boosting; a class of your own gets it where it takes a `max_iter`.

    Raises
    ------
    ModelError
        When the name is unknown or the class cannot be imported.
    """
    default, space = _space(name, project)
    rng = np.random.default_rng([seed, *name.encode()])
    drawn = [default]
    for _ in range(20 * budget):
        if len(drawn) >= budget or not space:
            break
        settings = {key: _draw(values, rng) for key, values in space.items()}
        if settings not in drawn:
            drawn.append(settings)
    kind = _kind(name, target, project)
    return [Candidate(name, settings, _build(name, kind, settings, seed, max_iter)) for settings in drawn]


def _space(name: str, project: Path) -> tuple[Settings, Space]:
    if ":" in name:
        return {}, getattr(import_estimator(name, project), "search_space", {})
    if name not in _SPACES:
        raise ModelError.from_unknown_candidate(name, BUILT_IN)
    return _SPACES[name]


def _draw(values: Any, rng: np.random.Generator) -> Any:
    if isinstance(values, tuple):
        low, high = values
        return float(f"{np.exp(rng.uniform(np.log(low), np.log(high))):.3g}")
    return values[int(rng.integers(len(values)))]


def _kind(name: str, target: Target, project: Path) -> type:
    """Return the class behind a name: classifier or regressor, as the target needs it."""
    if ":" in name:
        return import_estimator(name, project, classifies=target.is_classification)
    from sklearn import ensemble, linear_model

    classifier: Mapping[str, type] = {
        "linear": linear_model.LogisticRegression,
        "forest": ensemble.RandomForestClassifier,
        "boosting": ensemble.HistGradientBoostingClassifier,
    }
    regressor: Mapping[str, type] = {
        "linear": linear_model.Ridge,
        "forest": ensemble.RandomForestRegressor,
        "boosting": ensemble.HistGradientBoostingRegressor,
    }
    return (classifier if target.is_classification else regressor)[name]


def _build(name: str, kind: type, settings: Settings, seed: int, max_iter: int) -> Any:
    """Make the estimator; seed and `max_iter` reach every class that takes them."""
    given = {**_FIXED.get(name, {}), **settings}
    if "strength" in given:
        strength = given.pop("strength")
        given |= {"C": strength} if hasattr(kind, "predict_proba") else {"alpha": 1 / strength}
    try:
        made = kind(**given)
    except TypeError as error:
        raise ModelError.from_import(name, f"it cannot be made from {given} ({error})", sorted(given)) from error
    takes: Settings = made.get_params() if hasattr(made, "get_params") else {}
    common = {"random_state": seed, "max_iter": max_iter}
    return made.set_params(**{key: value for key, value in common.items() if key in takes}) if takes else made


def import_estimator(path: str, project: Path, *, classifies: bool = False) -> type:
    """Import the class that ``package.module:Estimator`` names; the project's folder counts as a place for modules.

    Raises
    ------
    ModelError
        When the module or the class does not exist (names those that do), or is no estimator that can do the task.
    """
    module_name, _, class_name = path.partition(":")
    if str(project) not in sys.path:
        sys.path.insert(0, str(project))
    importlib.invalidate_caches()
    try:
        module = importlib.import_module(module_name)
    except Exception as error:  # a module of the user's may raise anything while it is imported
        own = _modules_beside(project)
        why = f"{type(error).__name__}: {error}"
        raise ModelError.from_import(path, why, own, module_name) from error
    found = getattr(module, class_name, None)
    if not isinstance(found, type):
        classes = sorted(key for key, value in vars(module).items() if isinstance(value, type))
        raise ModelError.from_import(path, f"{module_name} has no class {class_name!r}", classes, class_name)
    needed = ["fit", "predict", *(["predict_proba"] if classifies else [])]
    missing = [method for method in needed if not hasattr(found, method)]
    if missing:
        raise ModelError.from_not_an_estimator(path, missing)
    return found
