"""Looking around in JupyterLab: the map of the lifecycle, the runs of a project and how they compare."""

from mlopskit.explore.overview import compare, criteria, lifecycle, runs, ways

__all__ = ["compare", "criteria", "lifecycle", "runs", "ways"]
