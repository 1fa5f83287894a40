"""Backtests: policies replayed over recorded markets, with a ledger, margin and liquidation.

Entry points: :func:`hedgeopt.backtest.run.run_config` for a file, :func:`hedgeopt.backtest.run.run` for one configuration,
and :func:`hedgeopt.backtest.engine.simulate` for objects of your own.
"""
