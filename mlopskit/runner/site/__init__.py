"""A site of many runs: a static folder for any web host or shared drive, read without a server.

``index.html`` lists all runs and draws their headline figures over time; ``runs/<name>/`` has a page, the report and
the cards of each, under addresses that last; ``figures/`` has each drawing once. Only what is new is built again. The
index is written last, so that a site that was stopped half-way is still the old one.
"""

from mlopskit.runner.site.build import Built, build

__all__ = ["Built", "build"]
