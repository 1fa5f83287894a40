"""Backtests: policies replayed over recorded markets, with a ledger, margin and liquidation.

Public names are listed in ``__init__.pyi`` and load on first use. Entry points: :func:`run_config` for a file, :func:`run`
for one configuration, and :func:`simulate` for your own objects.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
