"""Figures, tests and pages of a backtest, with their uncertainty.

:func:`~hedgeopt.backtest.results.summary.summarize` turns a :class:`~hedgeopt.backtest.result.BacktestResult` into figures,
:func:`~hedgeopt.backtest.results.compare.compare` sets policies side by side with bootstrap intervals, and
:func:`~hedgeopt.backtest.results.tear_sheet.write_pages` draws them.
"""
