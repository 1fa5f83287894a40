"""A policy: terms to minimise, limits, candidates and scenarios."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, ValidationError, field_serializer, field_validator, model_validator

from hedgeopt.constraints.table import AnyConstraint
from hedgeopt.errors import InputError
from hedgeopt.files.calls import strict_call
from hedgeopt.files.counted import many
from hedgeopt.files.given import Given, named, read_data
from hedgeopt.files.notebook import html_card, html_table, shortened, span_of_days
from hedgeopt.files.reading import validation_line
from hedgeopt.files.record import Record
from hedgeopt.inputs.candidates import Candidates
from hedgeopt.models.algebra import Word
from hedgeopt.models.data import use_tables
from hedgeopt.models.pricing.instrument import Asset
from hedgeopt.models.scenarios.given import Sample, as_settings
from hedgeopt.models.scenarios.sample_settings import AnyScenarios, ParametricScenarios
from hedgeopt.models.scenarios.stress_table import StressSettings
from hedgeopt.models.term import Objective, Term, Weighted, weighted_name
from hedgeopt.models.terms import AnyTerm

if TYPE_CHECKING:
    from hedgeopt.inputs.book import Book
    from hedgeopt.inputs.market import Market
    from hedgeopt.program.program import Program
    from hedgeopt.program.proposal import Proposal

__all__ = ["Policy", "read_policy"]


class _WeightedTerm(Weighted):
    term: AnyTerm


class Policy(Record):
    """The problem put to the solver.

    ``minimize`` takes a term or a weighted sum of terms, ``subject_to`` comparisons of terms and size limits, ``scenarios``
    settings, a ScenarioSet, or a DataFrame of simple returns with one column per asset (and ``probability``)::

        Policy(minimize=TransactionCost() + 0.5 * CVaR(0.99), subject_to=[Delta("BTC").within(-1, 1)])

    A policy is frozen, and reads from and writes to TOML and JSON without loss.
    """

    name: str = Field(default="policy", description="words for reports")
    tables: tuple[str, ...] = Field(
        default=(),
        exclude_if=lambda value: not value,
        description="user tables of venues, assets and stress scenarios: TOML files or folders of them, from the policy's "
        "folder; they count as soon as the policy is read from its file",
    )
    minimize: Annotated[tuple[_WeightedTerm, ...], Field(min_length=1, description="terms with their weights, added up")]
    subject_to: tuple[AnyConstraint, ...] = Field(default=(), description="limits, all of which hold")
    candidates: Candidates = Field(default=Candidates(), description="instruments that may be traded")
    scenarios: AnyScenarios = Field(default=ParametricScenarios(), description="the sample that risk is measured on")
    stress: StressSettings = Field(
        default=StressSettings(), description="which stress scenarios; default: all packaged ones"
    )
    numeraire: Asset | None = Field(
        default=None,
        exclude_if=lambda value: value is None,
        description="asset that the market prices, in which P&L, tails, stress, costs, limits on terms, the objective and "
        "reports count; fields that say USD (order sizes, transfers, margin buffers) are in dollars; "
        "none: USD",
    )
    strictness: Literal["strict", "lenient"] | None = Field(
        default=None,
        exclude_if=lambda value: value is None,
        description="strict refuses positions that no market quotes; lenient values them from the surface or sets them "
        "aside with a note; none: strict where trades are proposed, lenient in reports of risk",
    )
    max_quote_age_seconds: float = Field(default=600.0, gt=0, description="older quotes are refused")
    tolerance: float = Field(
        default=1e-6, gt=0, lt=0.1, description="largest certified relative optimality gap of ideal trades"
    )
    lots: Literal["whole", "ideal"] = Field(
        default="whole",
        description="whole: trades are whole lots, none below the venue's smallest order; ideal: any size, unless a limit "
        "counts trades (max_trades, max_new_instruments, min_trade), which asks for whole lots",
    )
    lot_gap: float = Field(
        default=0.005,
        gt=0,
        lt=0.1,
        exclude_if=lambda value: value == 0.005,
        description="largest certified relative gap of a list in whole lots; beyond it a list is given, and is not valid",
    )
    time_limit_seconds: float = Field(
        default=600.0,
        gt=0,
        le=86_400,
        allow_inf_nan=False,
        description="wall-clock seconds for the search; without certified trades by then there is no proposal",
    )
    solver: Literal["auto", "HIGHS", "CLARABEL", "OSQP", "ECOS", "SCS"] = Field(
        default="auto", description="master solver under the tail method; auto: hedgeopt.program.order.solver_order"
    )

    def __init__(
        self,
        minimize: Objective | Term | Iterable[Any] | None = None,
        subject_to: Iterable[Any] = (),
        **data: Any,
    ) -> None:
        if minimize is not None:
            data["minimize"] = minimize
        if "scenarios" in data:
            data["scenarios"] = as_settings(data["scenarios"])
        try:
            data["subject_to"] = _listed(subject_to)
            super().__init__(**data)
        except ValidationError as error:
            raise validation_line(error, "policy") from None

    @field_validator("minimize", mode="before")
    @classmethod
    def _parts(cls, value: Any) -> Any:
        if isinstance(value, Term):
            value = value * 1.0
        if isinstance(value, Objective):
            return [{"weight": part.weight, "term": part.term} for part in value.parts]
        return value

    @field_validator("minimize")
    @classmethod
    def _convex(cls, parts: tuple[_WeightedTerm, ...]) -> tuple[_WeightedTerm, ...]:
        for part in parts:
            if part.weight < 0 and not part.term.affine:
                raise ValueError(f"{part.term.name} is convex and cannot have the negative weight {part.weight:g}")
        return parts

    @model_validator(mode="after")
    def _tickets_are_weighed(self) -> Policy:
        kinds = [part.term.kind for part in self.minimize if part.weight > 0]
        if self.candidates.ticket is not None and "transaction_cost" not in kinds:
            raise ValueError(
                "candidates.ticket counts as transaction_cost does: minimize must have that, with a weight above 0"
            )
        return self

    @field_serializer("minimize")
    def _dump_parts(self, parts: tuple[_WeightedTerm, ...]) -> list[dict[str, Any]]:
        return [{"weight": part.weight, "term": part.term.model_dump()} for part in parts]

    @property
    def whole(self) -> bool:
        """Whether trades are whole lots: ``lots`` says so, a limit counts trades, or each order pays a ticket."""
        return self.lots == "whole" or self.candidates.ticket is not None or any(rule.counts for rule in self.subject_to)

    @strict_call
    def propose(
        self,
        book: Book,
        market: Market,
        *,
        program: Program | None = None,
        customize: Callable[[Program], None] | None = None,
        progress: Callable[[str], None] | None = None,
        scenarios: Sample | None = None,
    ) -> Proposal:
        """Solve for the trade list; see :func:`hedgeopt.program.solve.propose` for the arguments."""
        from hedgeopt.program.solve import propose

        options: dict[str, Any] = {"program": program, "customize": customize, "progress": progress, "scenarios": scenarios}
        return propose(book, market, self, **options)

    @strict_call
    def with_scenarios(self, scenarios: Sample) -> Policy:
        """The same policy over other scenarios: settings, a ScenarioSet, or a table of returns."""
        return Policy(**{name: getattr(self, name) for name in type(self).model_fields} | {"scenarios": scenarios})

    def __repr__(self) -> str:
        """One line: what is minimised, how many limits, which scenarios."""
        limits = f"{many(len(self.subject_to), 'limit')}"
        return f"Policy({shortened(self.name, 60)!r}, minimize {shortened(self._minimized, 200)}, {limits}, {self._sample})"

    @property
    def _minimized(self) -> str:
        return weighted_name([(part.weight, part.term.name) for part in self.minimize])

    @property
    def _sample(self) -> str:
        drawn = self.scenarios
        count = len(next(iter(drawn.spot.values()))) if drawn.kind == "given" else drawn.count
        return f"{many(count, f'{drawn.kind} scenario')} over {span_of_days(drawn.horizon_days)}"

    def _repr_html_(self) -> str:
        """Objective, limits and scenarios, for notebooks."""
        rows = []
        for rule in self.subject_to:
            set_to = {k: v for k, v in rule.model_dump(exclude_defaults=True).items() if k not in ("kind", "term")}
            rows.append((rule.name, ", ".join(f"{k} = {v}" for k, v in set_to.items())))
        return html_card(
            f"Policy {self.name}",
            [f"minimize {self._minimized}", self._sample, f"candidates: {', '.join(self.candidates.kinds)}"],
            html_table("Limits", ("limit", "settings"), rows),
        )

    def to_json(self) -> str:
        """JSON text that :func:`read_policy` reads back to an equal policy."""
        return self.model_dump_json(indent=2)

    def to_toml(self) -> str:
        """TOML text that :func:`read_policy` reads back to an equal policy."""
        import tomli_w

        return tomli_w.dumps(_without_none(self.model_dump(mode="json")))


@strict_call
def read_policy(source: Given) -> Policy:
    """Read a policy from TOML, JSON (by the file's ending, or its text), or a dict; see ``hedgeopt schema policy``."""
    file, data = named(source, "policy"), read_data(source, "policy", toml=True)
    if not isinstance(data, dict):
        raise InputError("is not a table of settings", file=file, fix="see hedgeopt schema policy")
    if "minimize" not in data:
        raise InputError("is missing", file=file, field="minimize", fix="see hedgeopt schema policy")
    odd = next((key for key in data if not isinstance(key, str)), None)
    if odd is not None:
        raise InputError("is not the name of a field", file=file, value=odd, fix="see hedgeopt schema policy")
    listed = data.get("tables", [])
    if isinstance(listed, list) and all(isinstance(one, str) for one in listed) and listed:
        folder = file.parent if file.is_file() else Path()
        try:
            use_tables(*(folder / one for one in listed))
        except InputError as error:
            raise error if error.file is not None else _of_tables(error, file) from None
    try:
        return Policy(**_from_folder(data, file))
    except InputError as error:
        raise error.at(file) from None


def _from_folder(data: dict[str, Any], file: Path) -> dict[str, Any]:
    """The data with the path of a scenario model, which starts from the policy's folder."""
    drawn = data.get("scenarios")
    if not isinstance(drawn, dict):
        return data
    name = drawn.get("model")
    if not isinstance(name, str) or name == "measured" or not file.is_file():
        return data
    return {**data, "scenarios": {**drawn, "model": str(file.parent / name)}}


def _of_tables(error: InputError, file: object) -> InputError:
    return InputError(
        error.problem, file=file, field="tables", value=error.value, fix="paths start from the policy's folder"
    )


def _listed(limits: Any) -> tuple[Any, ...]:
    """The entries of ``subject_to``; one limit without a list around it, or a comparison that came out as a truth value, is
    refused by name."""
    if not isinstance(limits, Iterable) or isinstance(limits, Word | Mapping | str | bytes):
        shown = limits.called() if isinstance(limits, Word) else repr(limits)
        fix = "put it in a list: subject_to=[...]; in TOML each limit begins with [[subject_to]]"
        raise InputError("must be a list of limits", file="policy", field="subject_to", value=shown, fix=fix)
    found = tuple(limits)
    for k, limit in enumerate(found):
        if isinstance(limit, Word | Mapping) and not isinstance(limit, Term | Objective):
            continue
        fix = "compare a term with a number: Delta('BTC') <= 5, .within(lower, upper), or a limit such as OrderLimit(...)"
        shown = limit.called() if isinstance(limit, Word) else repr(limit)
        raise InputError("is not a limit", file="policy", field=f"subject_to.{k}", value=shown, fix=fix)
    return found


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_none(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_without_none(item) for item in value]
    return value
