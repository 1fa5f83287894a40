"""A set of joint market moves, as arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

import numpy as np

from hedgeopt.errors import InputError
from hedgeopt.files.calls import strict_class
from hedgeopt.files.counted import many
from hedgeopt.files.notebook import shortened, span_of_days
from hedgeopt.models.data import dollar_assets, pegged_assets
from hedgeopt.models.pegs import claim, is_peg, peg_factor
from hedgeopt.models.scenarios.noise import OptionNoise

if TYPE_CHECKING:
    from hedgeopt.models.scenarios.events import Occurrence

__all__ = ["TABLES", "ScenarioSet", "skew_weight", "unmoved", "vol_term_weight"]

TABLES = (
    "spot_factor",
    "log_vol_shift",
    "basis_shift",
    "skew_shift",
    "term_shift",
    "perpetual_shift",
    "funding",
)
"""The (S, A) fields of a scenario set; all but the first two may be None."""

_REFERENCE_DAYS = 30.0
_SHORTEST_DAYS = 7.0
_SHORT_EXPONENT, _LONG_EXPONENT = 0.35, 0.6


def vol_term_weight(years: np.ndarray) -> np.ndarray:
    """Share of a 30-day vol move that an option of this tenor takes: ``(30 / max(days, 7)) ** p``.

    The exponent p is 0.35 below 30 days and 0.6 above. Measured on Deribit's BTC and ETH chains, January to May 2026, over
    the worst 24 and 48 hour falls: 7 days move 1.5 to 1.8 times as much as 30 days, 60 days 0.67 to 0.75, 90 days 0.50 to
    0.58 and 180 days 0.28 to 0.36. One exponent of 0.3 would let 180 days move 0.58. The floor of 7 days keeps a shock that
    is stated in log vol from exploding at the shortest expiries.
    """
    ratio = _REFERENCE_DAYS / np.maximum(np.asarray(years, float) * 365.0, _SHORTEST_DAYS)
    return np.asarray(ratio ** np.where(ratio > 1.0, _SHORT_EXPONENT, _LONG_EXPONENT))


def skew_weight(days: np.ndarray, exponent: float) -> np.ndarray:
    """Share of the skew move at 30 days that an expiry in ``days`` takes: ``(30 / max(days, 1)) ** exponent``."""
    return np.asarray((_REFERENCE_DAYS / np.maximum(np.asarray(days, float), 1.0)) ** exponent)


@strict_class
@dataclass(frozen=True)
class ScenarioSet:
    """S joint moves of A assets over one horizon.

    Attributes
    ----------
    name
        Shown in reports.
    assets
        The A assets that move, in column order.
    spot_factor : (S, A)
        Price in the scenario divided by today's price (1 = unchanged), strictly positive.
    log_vol_shift : (S, A)
        Change of the logarithm of the 30-day implied vol; other tenors follow :func:`vol_term_weight`.
    horizon_days
        Time that passes; options age by it. 0 for an instantaneous stress.
    probabilities : (S,) or None
        Weights summing to one; None means equal.
    labels
        One name per scenario, for stress sets and reports; empty otherwise.
    basis_shift : (S, A) or None
        Change of the annualised log forward/spot basis, applied as ``exp(basis_shift * years)``.
    skew_shift : (S, A) or None
        Change of vol per unit of ``ln(strike / forward) / sqrt(years)`` at 30 days; see ``skew_tenor``.
    liquidity : mapping from name to (S,)
        Multipliers of today's ``spread`` (half-spreads, so unwinding costs that much more) and ``depth``; 1 when absent.
    term_shift : (S, A) or None
        Change of log vol per unit of ``ln(30 / days)``, beyond ``log_vol_shift``: positive lifts short expiries.
    perpetual_shift : (S, A) or None
        Change of ``ln(perpetual mark / index)``: -0.12 is a perpetual 12 % below the index it left.
    funding : (S, A) or None
        Share of notional that longs of perpetuals pay shorts over the scenario, beyond the rate quoted now.
    events : tuple of :class:`~hedgeopt.models.scenarios.events.Occurrence`
        What venues, oracles and bridges do, and in which scenarios.
    recovery : mapping from venue to (S,)
        Share of equity that the venue can still pay out, in [0, 1]; 1 when absent.
    notes
        What a reader of results should know, such as the effective number of a tilted sample.
    path_seed
        For the way to the horizon (:mod:`hedgeopt.models.scenarios.bridge`); None: what expires on the way is settled at the
        price of the horizon's end.
    expiry_noise
        Annual standard deviation of what the log vol of each expiry does alone, at 30 days; drawn from ``path_seed``.
    skew_tenor
        Exponent p: an expiry takes ``(30 / days) ** p`` of the skew move (:func:`skew_weight`); 0: all take the same.
    noise : mapping from asset to :class:`~hedgeopt.models.scenarios.noise.OptionNoise`
        What the vols of its expiries and strikes do alone, drawn from ``path_seed``; ``expiry_noise`` above 0 replaces the
        part of expiries.
    """

    name: str
    assets: tuple[str, ...]
    spot_factor: np.ndarray
    log_vol_shift: np.ndarray
    horizon_days: float
    probabilities: np.ndarray | None = None
    labels: tuple[str, ...] = ()
    basis_shift: np.ndarray | None = None
    skew_shift: np.ndarray | None = None
    liquidity: Mapping[str, np.ndarray] = field(default_factory=dict)
    term_shift: np.ndarray | None = None
    perpetual_shift: np.ndarray | None = None
    funding: np.ndarray | None = None
    events: tuple[Occurrence, ...] = ()
    recovery: Mapping[str, np.ndarray] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    path_seed: int | None = None
    expiry_noise: float = 0.0
    skew_tenor: float = 0.0
    noise: Mapping[str, OptionNoise] = field(default_factory=dict)

    def __post_init__(self) -> None:
        shape = (self.spot_factor.shape[0], len(self.assets))
        if self.horizon_days < 0:
            raise InputError(
                "must be 0 or more", field=f"scenarios {self.name!r} horizon_days", value=self.horizon_days, fix="give days"
            )
        for name in TABLES:
            values = getattr(self, name)
            if values is None:
                continue
            if values.shape != shape:
                raise InputError(f"shape {values.shape} instead of {shape}", field=f"scenarios {self.name!r} {name}")
            if not np.isfinite(values).all():
                raise InputError("has a value that is not finite", field=f"scenarios {self.name!r} {name}")
        if shape[0] == 0:
            raise InputError("holds no scenario", field=f"scenarios {self.name!r}")
        if (self.spot_factor <= 0).any():
            raise InputError("a price falls to zero or below", field=f"scenarios {self.name!r} spot_factor")
        if self.probabilities is not None:
            p = self.probabilities
            if p.shape != shape[:1] or (p < 0).any() or not np.isclose(p.sum(), 1.0, rtol=0, atol=1e-9):
                raise InputError("must be non-negative and sum to 1", field=f"scenarios {self.name!r} probabilities")
        if self.labels and len(self.labels) != shape[0]:
            raise InputError(
                f"{many(len(self.labels), 'label')} for {many(shape[0], 'scenario')}", field=f"scenarios {self.name!r}"
            )
        for what, columns in (("liquidity", self.liquidity), ("recovery", self.recovery)):
            for name, values in columns.items():
                if values.shape != shape[:1] or not np.isfinite(values).all() or (values < 0).any():
                    raise InputError(
                        f"must hold one number of 0 or more for each of {many(shape[0], 'scenario')}",
                        field=f"scenarios {self.name!r} {what} {name}",
                    )

    def __repr__(self) -> str:
        """One line: name, number, assets, horizon."""
        weighted = ", weighted" if self.probabilities is not None else ""
        assets = ", ".join(self.assets[:8]) + (f", … {len(self.assets)} in all" if len(self.assets) > 8 else "")
        span = span_of_days(self.horizon_days)
        return f"ScenarioSet({shortened(self.name, 80)!r}, {len(self):,} of {assets} over {span}{weighted})"

    def __len__(self) -> int:
        return int(self.spot_factor.shape[0])

    @property
    def years(self) -> float:
        """The horizon in years of 365 days."""
        return self.horizon_days / 365.0

    @property
    def weights(self) -> np.ndarray:
        """(S,) probabilities, equal ones written out."""
        return np.full(len(self), 1.0 / len(self)) if self.probabilities is None else self.probabilities

    @property
    def effective_number(self) -> float:
        """Number of equally likely scenarios as informative as these: ``exp(-sum p ln p)`` (Meucci 2012); S when equal."""
        p = self.weights[self.weights > 0]
        return float(np.exp(-(p * np.log(p)).sum()))

    @cached_property
    def still(self) -> bool:
        """Nothing moves, no time passes and nothing happens: no instrument changes its value."""
        if self.horizon_days or self.events or self.recovery or (self.spot_factor != 1.0).any():
            return False
        return not any((values := getattr(self, name)) is not None and values.any() for name in TABLES[1:])

    @property
    def noisy(self) -> bool:
        """Whether vols of expiries or strikes move on their own."""
        moves = self.path_seed is not None and self.years > 0.0
        return moves and (self.expiry_noise > 0.0 or bool(self.noise))

    def expiry_size(self, asset: str, days: float) -> float:
        """Standard deviation over the horizon of what the log vol of an expiry in ``days`` does alone.

        ``expiry_noise`` a year at 30 days, elsewhere by :func:`vol_term_weight`; where that is 0, the asset's own noise.
        """
        if self.expiry_noise > 0.0:
            return float(self.expiry_noise * np.sqrt(self.years) * vol_term_weight(np.array(days / 365.0)))
        found = self.noise[asset].expiry if asset in self.noise else None
        return 0.0 if found is None else found.over(days, self.horizon_days)

    def column(self, asset: str) -> int | None:
        """Column of ``asset``; None for a dollar asset or peg factor without a scenario (it keeps its price).

        Raises
        ------
        InputError
            For any other asset the set does not move: its risk would silently be zero.
        """
        if asset in self.assets:
            return self.assets.index(asset)
        if asset in dollar_assets() or is_peg(asset):
            return None
        raise InputError(
            f"no scenario moves {asset}",
            field=f"scenarios {self.name!r}",
            fix=f"add {asset} to the scenario settings or remove its positions (moved: {', '.join(self.assets)})",
        )

    def price_factor(self, asset: str) -> np.ndarray:
        """(S,) price of ``asset`` in each scenario over its price today.

        A staked or wrapped asset without a column of its own moves with its underlying and its peg factor.
        """
        if asset not in self.assets and claim(asset) != asset:
            return self.price_factor(claim(asset))
        if asset not in self.assets and asset in pegged_assets():
            return self.pegged_factor(asset, pegged_assets()[asset])
        at = self.column(asset)
        return np.ones(len(self)) if at is None else self.spot_factor[:, at]

    def pegged_factor(self, asset: str, underlying: str) -> np.ndarray:
        """(S,) the same for a token pegged to ``underlying``: its own column, else underlying times peg."""
        if asset in self.assets:
            return self.spot_factor[:, self.assets.index(asset)]
        if claim(asset) in self.assets:
            return self.price_factor(claim(asset))
        return self.price_factor(underlying) * self.price_factor(peg_factor(asset, underlying))

    def columns(self, assets: Sequence[str]) -> np.ndarray:
        """Column index of each of ``assets`` (underlyings, so every one must move)."""
        found = [self.column(asset) for asset in assets]
        missing = [asset for asset, at in zip(assets, found, strict=True) if at is None]
        if missing:
            raise InputError(f"no scenario moves {missing[0]}", field=f"scenarios {self.name!r}")
        return np.array(found, dtype=np.int64)


@lru_cache(maxsize=64)
def unmoved(assets: tuple[str, ...]) -> ScenarioSet:
    """One scenario, ``still``, in which nothing moves and no time passes."""
    ones = np.ones((1, len(assets)))
    return ScenarioSet("nothing moves", assets, ones, 0.0 * ones, horizon_days=0.0, labels=("still",))
