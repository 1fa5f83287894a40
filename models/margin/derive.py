"""Derive (ex-Lyra) v2 portfolio margin 2, re-derived from its published rules.

Per underlying, USD, with forward F_e, discount d_e and time T_e of each expiry e:

* value of an expiry ``m_e = sum_i q_i d_e Black76(F_e, K_i, T_e, vol_i)``; the rate of d_e is the market's for the expiry,
  else the venue's static one;
* in scenario s: ``pnl_e = damp (D(v) v - m_e)`` of the shocked value v, ``D = .95 e^{-.16 T}`` for positive values and
  ``min(1/d_e, 1.05 e^{.16 T})`` for negative ones; perpetuals and collateral of the account's own currency
  ``value (f - 1) damp``;
* skew scenarios shift vols linearly or absolutely in ``ln(K/F)``, leave the forward, and take ``-|pnl_e|``;
* basis contingency ``sum_e min(up_e - m_e, down_e - m_e, 0) (.5 + 2 T_e)`` at +-4.5 % counts as one more scenario;
* ``span`` = the least of all; contingencies: 3 % (+ 1 % initial) of |perpetuals|, .3 % (+ .2 %) of spot per net short
  contract and strike, a share of collateral that is not cash; peg: factor ``1 + 4 max(.99 - USDC, 0)`` for initial; and, for
  initial, a share of the notional of feeds that say they are not sure (none, when nothing is said).
* margin balance: initial ``span f - contingencies + m + cash``; maintenance ``.8 span - maintenance contingency + m +
  cash``.

The requirement is compared with equity ``m + cash + collateral``: ``contingencies - span f``. Every part is convex
but one: ``-|pnl_e|`` in a skew scenario where the expiry gains. There ``D(v) v - m`` is concave; the encoding takes the line
through the sign that v has at the anchor: exact there, nowhere below elsewhere. The same where a parameter set discounts
positive values less than negative ones.

Source: github.com/derivexyz/v2-core, PMRMLib_2.sol and PMRM_2.sol (rules), portfolio_cases/*.json (vectors).
"""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hedgeopt.errors import InputError
from hedgeopt.models.data import lacking, table
from hedgeopt.models.margin.collateral import refuse_unknown_collateral
from hedgeopt.models.margin.derive_encoding import encode_derive, of_expiry
from hedgeopt.models.margin.derive_expiry import Expiry, expiry_values, skew_multiplier
from hedgeopt.models.margin.encoding import Encoding
from hedgeopt.models.margin.model import Kind, MarginModel, Requirement, refuse_unknown_rows
from hedgeopt.models.margin.state import State

__all__ = ["Confidence", "Derive", "Expiry", "skew_multiplier"]

_KINDS = ("perpetual", "option", "spot", "pegged")


@dataclass(frozen=True)
class Confidence:
    """Confidence of the venue's price feeds, 1 for certain: of spot, perpetual, each expiry (by years), each collateral."""

    spot: float = 1.0
    perpetual: float = 1.0
    expiry: Mapping[float, float] = field(default_factory=dict)
    collateral: Mapping[str, float] = field(default_factory=dict)


class Derive(MarginModel):
    """Portfolio margin 2.

    Parameters
    ----------
    rate
        Annual rate of every expiry; None: the market's where it gives one, else the venue's static rate.
    parameters
        As ``[portfolio_margin]`` of models/data/derive.toml; None: those.
    confidence
        Of the venue's feeds; None: certain.
    base
        Currency of the account when it holds no derivative that tells it.
    """

    name = "derive"
    table_name = "derive"
    source = "github.com/derivexyz/v2-core PMRMLib_2.sol (models/data/derive.toml)"

    def __init__(
        self,
        rate: float | None = None,
        parameters: dict[str, Any] | None = None,
        confidence: Confidence | None = None,
        base: str | None = None,
    ) -> None:
        self.p: dict[str, Any] = table("derive")["portfolio_margin"] if parameters is None else parameters
        self.rate, self.confidence, self.base = rate, confidence or Confidence(), base
        self.damping = np.array([row[2] for row in self.p["scenarios"]])
        self.spot = np.array([row[0] for row in self.p["scenarios"]])
        self.kinds = [row[1] for row in self.p["scenarios"]]
        self.skew = np.array(["skew" in kind for kind in self.kinds])
        self._known: weakref.WeakKeyDictionary[State, dict[str, list[Expiry]]] = weakref.WeakKeyDictionary()

    def currencies(self, state: State) -> tuple[str, ...]:
        """Underlyings of the account."""
        return tuple(dict.fromkeys([*state.underlyings, *([] if self.base is None else [self.base])]))

    def expiries(self, state: State, underlying: str) -> list[Expiry]:
        """Scenario values of every expiry of one underlying; worked out once for a state."""
        known = self._known.setdefault(state, {})
        if underlying not in known:
            rows = state.of(underlying)
            options = rows[state.option[rows]]
            years = state.years[options]
            known[underlying] = [
                expiry_values(state, mine, self.rate_of(state, mine), self.spot, self.kinds, self.p)
                for mine in (options[years == t] for t in np.unique(years))
            ]
        return known[underlying]

    def rate_of(self, state: State, rows: np.ndarray) -> float:
        """Annual rate of one expiry's options ``rows``; the venue takes no negative one."""
        if self.rate is not None:
            return max(self.rate, 0.0)
        given = state.rates[rows]
        given = given[np.isfinite(given)]
        return max(float(given[0]), 0.0) if len(given) else float(self.p["static_rate"])

    def factor(self, state: State, kind: Kind) -> float:
        """Multiplier of the scenario loss, raised for initial margin when USDC trades below its peg."""
        base = float(self.p[f"{kind}_factor"])
        if kind == "maintenance" or "USDC" not in state.assets:
            return base
        price = float(state.prices[state.assets.index("USDC")])
        return base + float(self.p["peg_factor"]) * max(float(self.p["peg_threshold"]) - price, 0.0)

    def doubt(self, confidence: float) -> float:
        """Share of notional that a feed of some confidence adds to initial margin."""
        sure = confidence >= self.p["confidence_threshold"]
        return 0.0 if sure else (1.0 - confidence) * float(self.p["confidence_margin"])

    def doubts(self, held: np.ndarray) -> tuple[float, dict[float, float]]:
        """Share of |perpetuals|, and of |options| by expiry; a perpetual's feed only counts where one is held."""
        least = min(self.confidence.spot, self.confidence.perpetual) if held.any() else self.confidence.spot
        return self.doubt(least), {t: self.doubt(min(c, least)) for t, c in self.confidence.expiry.items()}

    def _check(self, state: State, quantity: np.ndarray | None = None) -> None:
        refuse_unknown_rows(state, self.name, _KINDS, owed=quantity)
        known: list[str] = self.p.get("currencies", list(state.underlyings))
        for at in np.flatnonzero(~state.owned).tolist():
            if state.underlying[at] not in known:
                raise lacking(
                    "derive",
                    f"no portfolio margin parameters for {state.underlying[at]} at Derive ({state.names[at]})",
                    field="portfolio_margin.currencies",
                    line=f"[portfolio_margin] currencies with {state.underlying[at]}, or hold it in an account with a "
                    "margin table (margin = 'table:FILE.toml')",
                    known=", ".join(known),
                )
        coin = state.inverse & ~state.owned
        if coin.any():
            raise InputError(
                f"{state.names[int(np.flatnonzero(coin)[0])]} settles in its coin; Derive's margin knows dollars only",
                file="book",
                field=f"account {state.account}",
                fix="hold it in an account with another margin model",
            )

    def lost(self, state: State, kind: Kind) -> np.ndarray:
        """(A,) USD per unit of collateral that does not count; 1 price for what is not known."""
        found = np.zeros(len(state.assets))
        cash = table("derive")["haircut"]
        for a, (asset, price) in enumerate(zip(state.assets, state.prices, strict=True)):
            rule = self.p["collateral"].get(asset)
            if rule is not None:
                share = rule["maintenance"]
                if kind == "initial":
                    confidence = min(self.confidence.collateral.get(asset, 1.0), self.confidence.spot)
                    share += rule["initial"] + self.doubt(confidence)
                found[a] = share * price
            elif asset not in cash:
                found[a] = price
        return found

    def cancelling(self, state: State, currency: str) -> list[int]:
        """Collateral assets that move with the spot shocks of an account in ``currency``."""
        return [a for a, asset in enumerate(state.assets) if self.p["collateral"].get(asset, {}).get("cancels") == currency]

    def requirement(self, state: State, quantity: np.ndarray, collateral: np.ndarray) -> Requirement:
        """By the venue's steps: every scenario, the contingencies, and what they add up to."""
        self._check(state, quantity)
        refuse_unknown_collateral(state, self.haircut(state, "initial"), np.maximum(collateral, 0.0), self.table_name)
        total = {kind: float(self.lost(state, kind) @ np.maximum(collateral, 0.0)) for kind in _BOTH}
        parts = {"worst scenario": 0.0, "perpetual contingency": 0.0, "short options": 0.0, "collateral": total["initial"]}
        unsure = 0.0
        for underlying in self.currencies(state):
            rows = state.of(underlying)
            perpetual = rows[state.linear[rows]]
            spot = float(state.index[rows[0]] * state.settlement_price[rows[0]]) if len(rows) else 0.0
            backing = sum(float(state.prices[a] * collateral[a]) for a in self.cancelling(state, underlying))
            pnl = (float(state.notional[perpetual] @ quantity[perpetual]) + backing) * (self.spot - 1.0) * self.damping
            doubt, by_expiry = self.doubts(quantity[perpetual])
            basis, naked = 0.0, 0.0
            for expiry in self.expiries(state, underlying):
                z = quantity[expiry.rows]
                now, shocked = float(expiry.now @ z), expiry.shocked @ z
                discounted = np.where(shocked >= 0, expiry.gain_discount, expiry.loss_discount) * shocked
                change = (discounted - now) * self.damping
                pnl = pnl + np.where(self.skew, -np.abs(change), change)
                moved = min(float(expiry.up @ z) - now, float(expiry.down @ z) - now, 0.0)
                basis += moved * (self.p["basis_add"] + self.p["basis_mult"] * expiry.years)
                net: dict[float, float] = {}
                for row, q in zip(expiry.rows, z, strict=True):
                    net[float(state.strike[row])] = net.get(float(state.strike[row]), 0.0) + q
                naked += sum(max(-n, 0.0) for n in net.values())
                unsure += of_expiry(by_expiry, doubt, expiry.years) * float(np.abs(z).sum()) * spot
            span = min(float(pnl.min()), basis)
            gross = float((np.abs(quantity[perpetual]) * state.coins[perpetual]).sum()) * spot
            unsure += doubt * gross
            held = self.p["perpetual_maintenance"] * gross + self.p["option_maintenance"] * naked * spot
            extra = self.p["perpetual_initial"] * gross + self.p["option_initial"] * naked * spot
            total["initial"] += held + extra - span * self.factor(state, "initial")
            total["maintenance"] += held - span * self.factor(state, "maintenance")
            parts["worst scenario"] -= span * self.factor(state, "initial")
            rates = self.p["perpetual_maintenance"] + self.p["perpetual_initial"]
            parts["perpetual contingency"] += rates * gross
            parts["short options"] += (self.p["option_maintenance"] + self.p["option_initial"]) * naked * spot
        if unsure:
            parts["unsure feeds"] = unsure
        return Requirement(total["initial"] + unsure, total["maintenance"], parts)

    def encode(self, state: State, kind: Kind) -> Encoding:
        """One block of scenarios per underlying, whose groups are the expiries; contingencies as tiers and blocks."""
        self._check(state)
        return encode_derive(self, state, kind)

    def reads(self, state: State, collateral: np.ndarray) -> tuple[tuple[str, str], ...]:
        """The portfolio manager's parameters (those of options where there are any), and those of the collateral posted."""
        names = [name for name in self.p if name != "collateral"] if state.underlyings else []
        if not state.option.any():
            names = [name for name in names if not name.startswith(_OF_OPTIONS)]
        own = [f"portfolio_margin.{name}" for name in names]
        cash = table("derive")["haircut"]
        posted = [asset for asset, n in zip(state.assets, collateral, strict=True) if n > 0]
        own += [f"haircut.{asset}" if asset in cash else f"portfolio_margin.collateral.{asset}" for asset in posted]
        return tuple(("derive", name) for name in own)

    def haircut(self, state: State, kind: Kind) -> np.ndarray:
        """0 for what the venue takes: its requirement counts what is lost on collateral itself; NaN for what it does not."""
        known = {*table("derive")["haircut"], *self.p["collateral"]}
        return np.array([0.0 if asset in known else np.nan for asset in state.assets])


_OF_OPTIONS = ("long_", "short_", "option_", "vol_", "min_vol", "dte_", "skew", "basis_", "static_rate", "averaging_")
"""Prefixes of the parameters that price options alone."""
_BOTH: tuple[Kind, Kind] = ("initial", "maintenance")
