"""Many backtests of one configuration: a grid or a random search, in processes or on a cluster, resumable.

:func:`hedgeopt.backtest.sweep.drive.run_sweep` is the entry point.
"""
