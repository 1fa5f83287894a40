"""Backtests: policies replayed over recorded markets, with a ledger, margin and liquidation.

Entry points: :func:`hedgeopt.backtest.runner.run_config` for a file, :func:`hedgeopt.backtest.runner.run` for one
configuration, and :func:`hedgeopt.backtest.engine.simulate` for objects of your own.
"""
