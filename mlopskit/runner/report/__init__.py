"""The report of a run: one self-contained page for who decides, who checks and who repeats.

First the answer (may this model be used, the figures that matter, for whom it works worst, what is not known), then
phase by phase how it came about, then where everything is from and how to repeat it. The page asks nothing of any other
host, runs one small script of ours that its content security policy names by hash, and shows nothing from data as
anything but text.
"""

from mlopskit.runner.report.page import render

__all__ = ["render"]
