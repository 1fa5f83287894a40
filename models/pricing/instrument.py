"""Fields that every instrument has: a name, a venue, and a unit of quantity."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import AfterValidator, AwareDatetime, Field, model_validator

from hedgeopt.errors import InputError
from hedgeopt.files.record import Record
from hedgeopt.models.data import asset_name, dollar_assets
from hedgeopt.models.pricing.nature import Nature

__all__ = ["Asset", "Derivative", "Dollars", "Expiring", "Instrument", "Positive", "has"]


def _asset_code(code: str) -> str:
    if not code or not code.replace("-", "").replace(".", "").replace("_", "").isalnum():
        raise ValueError("an asset code is letters and digits, such as BTC or stETH")
    return asset_name(code)


Asset = Annotated[str, AfterValidator(_asset_code)]
"""Code of an asset with a price in USD: ``BTC``, ``ETH``, ``USDC``."""

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Dollars = Annotated[float, Field(allow_inf_nan=False, description="US dollars")]


_HAS: dict[tuple[type, str], bool] = {}


def has(item: Any, name: str) -> bool:
    """Whether an instrument's type has an attribute; found once per type, as families are told apart by what they lack."""
    key = type(item), name
    if key not in _HAS:
        _HAS[key] = name in getattr(key[0], "model_fields", ()) or hasattr(key[0], name)
    return _HAS[key]


class Instrument(Record):
    """Base of every instrument: frozen, strict, and linear in quantity.

    ``kind`` (set by each family) selects the family that prices it; ``nature`` holds the rest that the code needs.
    """

    nature: ClassVar[Nature]

    name: str = Field(min_length=1, description="the venue's own instrument name, unique per venue")
    venue: str = Field(min_length=1, description="where it trades or is held")

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        kind = cls.model_fields.get("kind")
        if kind is None:  # shared by families, none itself
            return
        nature = getattr(cls, "nature", None)
        if not isinstance(nature, Nature) or nature.kind != kind.default:
            raise InputError(
                f"needs a nature of kind {kind.default!r}", field=cls.__name__, fix="nature: ClassVar[Nature] = Nature(...)"
            )
        missing = [name for name in nature.needs if name not in cls.model_fields and not hasattr(cls, name)]
        if missing:
            raise InputError(f"lacks {', '.join(missing)}", field=cls.__name__, fix="define what its nature promises")

    @property
    def id(self) -> str:
        """``venue:name``, unique in a market."""
        return f"{self.venue}:{self.name}"

    @property
    def assets(self) -> tuple[str, ...]:
        """Assets whose USD price moves this instrument's value, and peg factors such as ``stETH/ETH``."""
        raise NotImplementedError

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            # pydantic's own builds a message in microseconds; families are told apart by what they lack thousands of times
            raise AttributeError(f"{type(self).__name__} has no {name}")

    @property
    def quantity_unit(self) -> str:
        """Unit of quantity."""
        return self.nature.unit

    @property
    def quoted_parts(self) -> tuple[Instrument, ...]:
        """Quoted instruments inside, whose quotes must be fresh."""
        return ()

    def impermanent_loss(self, price: Callable[[str], float]) -> Any:
        """One unit against holding what it was opened with, at USD prices by asset; None where that means nothing."""
        return None

    def legs(self) -> tuple[tuple[Instrument, float], ...]:
        """Instruments and quantities that one unit is booked as; empty when it is booked as itself."""
        return ()


class Derivative(Instrument):
    """A claim on an underlying, settled in the underlying (inverse) or in a dollar asset (linear)."""

    underlying: Asset = Field(description="asset whose index price drives the payoff")
    settlement: Asset = Field(description="asset in which premium and payoff are paid")

    @model_validator(mode="after")
    def _settles_in_underlying_or_dollars(self) -> Derivative:
        if self.settlement != self.underlying and self.settlement not in dollar_assets():
            raise ValueError(
                f"settlement {self.settlement!r} is neither the underlying {self.underlying!r} nor a dollar asset "
                f"({', '.join(sorted(dollar_assets()))})"
            )
        if self.inverse and not self.nature.inverse:
            raise ValueError(f"a {self.nature.kind} settles in a dollar asset, not in its underlying {self.underlying!r}")
        return self

    @property
    def inverse(self) -> bool:
        """Settled in the underlying coin itself."""
        return self.settlement == self.underlying

    @property
    def assets(self) -> tuple[str, ...]:
        """The underlying, and the settlement asset where it differs."""
        return (self.underlying,) if self.inverse else (self.underlying, self.settlement)


class Expiring(Derivative):
    """A derivative with an expiry."""

    expiry: AwareDatetime = Field(description="moment of settlement, with time zone")

    def years_from(self, moment: datetime) -> float:
        """Time to expiry in years of 365 days (Deribit's convention); negative when expired."""
        return (self.expiry - moment).total_seconds() / (365.0 * 86_400.0)
