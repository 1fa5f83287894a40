"""The public names, in one list: type checkers read it, and names load from it on first use.

One line per name: ``from .room.module import Name as Name``.
"""

from .constraints.limit import Limit as Limit
from .constraints.margin_utilisation import MarginUtilisation as MarginUtilisation
from .constraints.order_limit import OrderLimit as OrderLimit
from .constraints.participation import Participation as Participation
from .constraints.position_limit import PositionLimit as PositionLimit
from .constraints.survive_stress import SurviveStress as SurviveStress
from .constraints.transfer_limit import TransferLimit as TransferLimit
from .errors import CertificateError as CertificateError
from .errors import HedgeoptError as HedgeoptError
from .errors import InfeasibleError as InfeasibleError
from .errors import InputError as InputError
from .errors import StaleQuoteError as StaleQuoteError
from .errors import UnsupportedForm as UnsupportedForm
from .exposures.build import build_exposures as build_exposures
from .exposures.expose import expose as expose
from .inputs.book import Account as Account
from .inputs.book import Book as Book
from .inputs.book import Collateral as Collateral
from .inputs.book import Link as Link
from .inputs.book import Position as Position
from .inputs.book_file import read_book as read_book
from .inputs.chain.reader import read_market as read_market
from .inputs.market import Market as Market
from .inputs.policy import Candidates as Candidates
from .inputs.policy import Policy as Policy
from .inputs.policy import read_policy as read_policy
from .measures.risk import RiskReport as RiskReport
from .measures.risk import risk_report as risk_report
from .models.costs.carry import Carry as Carry
from .models.costs.transaction import TransactionCost as TransactionCost
from .models.margin.term import Margin as Margin
from .models.pricing.amm_concentrated import Concentrated as Concentrated
from .models.pricing.amm_constant_product import ConstantProduct as ConstantProduct
from .models.pricing.future import Future as Future
from .models.pricing.lending_borrow import LendingBorrow as LendingBorrow
from .models.pricing.lending_supply import EMode as EMode
from .models.pricing.lending_supply import LendingSupply as LendingSupply
from .models.pricing.loop import Loop as Loop
from .models.pricing.option import Option as Option
from .models.pricing.option_vault import OptionVault as OptionVault
from .models.pricing.pegged import Pegged as Pegged
from .models.pricing.perpetual import Perpetual as Perpetual
from .models.pricing.spot import Spot as Spot
from .models.risk.concentration import Concentration as Concentration
from .models.risk.cvar import CVaR as CVaR
from .models.risk.greeks import Delta as Delta
from .models.risk.greeks import Gamma as Gamma
from .models.risk.greeks import Rho as Rho
from .models.risk.greeks import Theta as Theta
from .models.risk.greeks import Vanna as Vanna
from .models.risk.greeks import Vega as Vega
from .models.risk.greeks import Volga as Volga
from .models.risk.leverage import GrossLeverage as GrossLeverage
from .models.risk.stress import StressLoss as StressLoss
from .models.risk.tenor_buckets import GammaBucket as GammaBucket
from .models.risk.tenor_buckets import VegaBucket as VegaBucket
from .models.risk.true_leverage import NetLeverage as NetLeverage
from .models.risk.true_leverage import TrueLeverage as TrueLeverage
from .models.risk.variance import Variance as Variance
from .models.scenarios.sample_settings import HistoricalScenarios as HistoricalScenarios
from .models.scenarios.sample_settings import ParametricScenarios as ParametricScenarios
from .models.scenarios.sample_settings import RegimeScenarios as RegimeScenarios
from .models.scenarios.set import ScenarioSet as ScenarioSet
from .program.program import Program as Program
from .program.proposal import Proposal as Proposal
from .program.proposal import read_proposal as read_proposal
from .program.proven import Certificate as Certificate
from .program.solve import Solved as Solved
from .program.solve import propose as propose
from .program.solve import solve as solve
from .tail import cvar as cvar

__version__: str
