"""hedgeopt: a convex-optimization hedge solver for crypto derivatives books.

Everything public is here; names load on first use, so that ``import hedgeopt`` is quick. Importing it also teaches every
``cvxpy.Problem`` the exact CVaR solver: ``problem.solve(method="tail")``, whichever of the two is imported first.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from hedgeopt._first_import import when_imported

if TYPE_CHECKING:
    from hedgeopt.constraints.limit import Limit
    from hedgeopt.constraints.margin_utilisation import MarginUtilisation
    from hedgeopt.constraints.order_limit import OrderLimit
    from hedgeopt.constraints.participation import Participation
    from hedgeopt.constraints.position_limit import PositionLimit
    from hedgeopt.constraints.survive_stress import SurviveStress
    from hedgeopt.constraints.transfer_limit import TransferLimit
    from hedgeopt.errors import (
        CertificateError,
        HedgeoptError,
        InfeasibleError,
        InputError,
        StaleQuoteError,
        UnsupportedForm,
    )
    from hedgeopt.exposures.build import build_exposures
    from hedgeopt.exposures.expose import expose
    from hedgeopt.inputs.book import Account, Book, Collateral, Link, Position
    from hedgeopt.inputs.book_file import read_book
    from hedgeopt.inputs.chain.reader import read_market
    from hedgeopt.inputs.market import Market
    from hedgeopt.inputs.policy import Candidates, Policy, read_policy
    from hedgeopt.measures.risk import RiskReport, risk_report
    from hedgeopt.models.costs.carry import Carry
    from hedgeopt.models.costs.transaction import TransactionCost
    from hedgeopt.models.margin.term import Margin
    from hedgeopt.models.pricing.amm_concentrated import Concentrated
    from hedgeopt.models.pricing.amm_constant_product import ConstantProduct
    from hedgeopt.models.pricing.future import Future
    from hedgeopt.models.pricing.lending_borrow import LendingBorrow
    from hedgeopt.models.pricing.lending_supply import EMode, LendingSupply
    from hedgeopt.models.pricing.loop import Loop
    from hedgeopt.models.pricing.option import Option
    from hedgeopt.models.pricing.option_vault import OptionVault
    from hedgeopt.models.pricing.pegged import Pegged
    from hedgeopt.models.pricing.perpetual import Perpetual
    from hedgeopt.models.pricing.spot import Spot
    from hedgeopt.models.risk.concentration import Concentration
    from hedgeopt.models.risk.cvar import CVaR
    from hedgeopt.models.risk.greeks import Delta, Gamma, Rho, Theta, Vanna, Vega, Volga
    from hedgeopt.models.risk.leverage import GrossLeverage
    from hedgeopt.models.risk.stress import StressLoss
    from hedgeopt.models.risk.tenor_buckets import GammaBucket, VegaBucket
    from hedgeopt.models.risk.true_leverage import NetLeverage, TrueLeverage
    from hedgeopt.models.risk.variance import Variance
    from hedgeopt.models.scenarios.sample_settings import HistoricalScenarios, ParametricScenarios, RegimeScenarios
    from hedgeopt.models.scenarios.set import ScenarioSet
    from hedgeopt.program.program import Program
    from hedgeopt.program.proposal import Proposal, read_proposal
    from hedgeopt.program.proven import Certificate
    from hedgeopt.program.solve import Solved, propose, solve
    from hedgeopt.tail import cvar

__version__ = "0.1.0"

_HOME = {
    "inputs.book": "Account Book Collateral Link Position",
    "inputs.book_file": "read_book",
    "program.proven": "Certificate",
    "constraints.limit": "Limit",
    "constraints.margin_utilisation": "MarginUtilisation",
    "constraints.order_limit": "OrderLimit",
    "constraints.participation": "Participation",
    "constraints.position_limit": "PositionLimit",
    "constraints.survive_stress": "SurviveStress",
    "constraints.transfer_limit": "TransferLimit",
    "errors": "CertificateError HedgeoptError InfeasibleError InputError StaleQuoteError UnsupportedForm",
    "exposures.build": "build_exposures",
    "inputs.market": "Market",
    "inputs.chain.reader": "read_market",
    "models.costs.carry": "Carry",
    "models.costs.transaction": "TransactionCost",
    "models.margin.term": "Margin",
    "models.pricing.amm_concentrated": "Concentrated",
    "models.pricing.amm_constant_product": "ConstantProduct",
    "models.pricing.future": "Future",
    "models.pricing.lending_borrow": "LendingBorrow",
    "models.pricing.lending_supply": "EMode LendingSupply",
    "models.pricing.loop": "Loop",
    "models.pricing.option": "Option",
    "models.pricing.option_vault": "OptionVault",
    "models.pricing.pegged": "Pegged",
    "models.pricing.perpetual": "Perpetual",
    "models.pricing.spot": "Spot",
    "models.risk.concentration": "Concentration",
    "models.risk.cvar": "CVaR",
    "models.risk.greeks": "Delta Gamma Rho Theta Vanna Vega Volga",
    "models.risk.leverage": "GrossLeverage",
    "models.risk.stress": "StressLoss",
    "models.risk.tenor_buckets": "GammaBucket VegaBucket",
    "models.risk.true_leverage": "NetLeverage TrueLeverage",
    "models.risk.variance": "Variance",
    "models.scenarios.sample_settings": "HistoricalScenarios ParametricScenarios RegimeScenarios",
    "models.scenarios.set": "ScenarioSet",
    "inputs.policy": "Candidates Policy read_policy",
    "program.program": "Program",
    "program.proposal": "Proposal read_proposal",
    "measures.risk": "RiskReport risk_report",
    "exposures.expose": "expose",
    "program.solve": "Solved propose solve",
    "tail": "cvar",
}
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names.split()}

__all__ = [
    "Account",
    "Book",
    "CVaR",
    "Candidates",
    "Carry",
    "Certificate",
    "CertificateError",
    "Collateral",
    "Concentrated",
    "Concentration",
    "ConstantProduct",
    "Delta",
    "EMode",
    "Future",
    "Gamma",
    "GammaBucket",
    "GrossLeverage",
    "HedgeoptError",
    "HistoricalScenarios",
    "InfeasibleError",
    "InputError",
    "LendingBorrow",
    "LendingSupply",
    "Limit",
    "Link",
    "Loop",
    "Margin",
    "MarginUtilisation",
    "Market",
    "NetLeverage",
    "Option",
    "OptionVault",
    "OrderLimit",
    "ParametricScenarios",
    "Participation",
    "Pegged",
    "Perpetual",
    "Policy",
    "Position",
    "PositionLimit",
    "Program",
    "Proposal",
    "RegimeScenarios",
    "Rho",
    "RiskReport",
    "ScenarioSet",
    "Solved",
    "Spot",
    "StaleQuoteError",
    "StressLoss",
    "SurviveStress",
    "Theta",
    "TransactionCost",
    "TransferLimit",
    "TrueLeverage",
    "UnsupportedForm",
    "Vanna",
    "Variance",
    "Vega",
    "VegaBucket",
    "Volga",
    "build_exposures",
    "cvar",
    "expose",
    "propose",
    "read_book",
    "read_market",
    "read_policy",
    "read_proposal",
    "risk_report",
    "solve",
]


def __getattr__(name: str) -> Any:
    """Load a public name from its module on first use."""
    module = _MODULE_OF.get(name)
    if module is None:
        raise AttributeError(f"module 'hedgeopt' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"hedgeopt.{module}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


when_imported("cvxpy", lambda: importlib.import_module("hedgeopt.tail"))  # which registers itself when first imported
