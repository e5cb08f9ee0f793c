"""How sure a figure is: confidence intervals, joint draws and the control of many tests.

A **confidence interval** at 95 % is made by a method that, used again and again on fresh samples, covers the true
value in 95 % of them. Which method keeps that promise depends on the figure. A percentile bootstrap of a rate covered
40 % instead of 95 % at ten rows and a true rate of 5 %, so:

==============================================  =====================================================================
figure                                          method
==============================================  =====================================================================
rate (accuracy, recall, selection rate)         `wilson`
difference of two independent rates             `newcombe`
ratios and composites of counts, few rows       `percentile` of `dirichlet_draws`
the same where every count is large             `percentile` of `multinomial_draws`, which for a metric that depends on
                                                the rows only through counts is the row bootstrap itself
area under the ROC curve                        `delong` on the logit scale, with t; `areas` of many groups at once
average precision                               `average_precisions`, the influence of each row or block squared
smooth figures of single rows (log loss, RMSE)  `jackknife` over blocks of rows
==============================================  =====================================================================

How often each covers at 10, 20, 50 and 200 rows is simulated, or enumerated, by the tests; where one falls short of
93 % on average, what it belongs to says so.

Draw the cells of one table jointly, never group by group: a difference between independent draws has the wrong
interval.
"""

from mlopskit.intervals.draws import Floats, dirichlet_draws, multinomial_draws, percentile
from mlopskit.intervals.ranking import Entries, Ranked, areas, average_precisions
from mlopskit.intervals.rates import newcombe, square_and_add, wilson
from mlopskit.intervals.resampling import BLOCKS, adjust, blocks_of, jackknife
from mlopskit.intervals.roc import auc_influence, auc_interval, delong, welch_freedom

__all__ = [
    "BLOCKS",
    "Entries",
    "Floats",
    "Ranked",
    "adjust",
    "areas",
    "auc_influence",
    "auc_interval",
    "average_precisions",
    "blocks_of",
    "delong",
    "dirichlet_draws",
    "jackknife",
    "multinomial_draws",
    "newcombe",
    "percentile",
    "square_and_add",
    "welch_freedom",
    "wilson",
]
