"""Backtests: policies replayed over recorded markets, with a ledger, margin and liquidation.

The entry points are :func:`hedgeopt.backtest.run.run`, :func:`hedgeopt.backtest.engine.simulate` and :func:`hedgeopt.backtest.run.run_config`.
"""
