"""Which of a list's numbers and trades are noise: the problem is solved again on other samples of the same world."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from hedgeopt.errors import CertificateError, HedgeoptError, InfeasibleError, InputError
from hedgeopt.exposures.expose import expose
from hedgeopt.files.calls import strict_call, strict_class
from hedgeopt.files.counted import many
from hedgeopt.files.notebook import plain_number
from hedgeopt.inputs.book import Book
from hedgeopt.inputs.market import Market
from hedgeopt.models.arrays import Exposures
from hedgeopt.models.risk.cvar import tail_loss
from hedgeopt.program.explain.case import Case, case_of, with_fields
from hedgeopt.program.explain.what_if import again
from hedgeopt.program.proposal import Proposal

__all__ = ["Stability", "stability"]

_INTERVAL = (0.05, 0.95)
_MARKS = 0.5


@strict_class
@dataclass(frozen=True, eq=False)
class Stability:
    """How much of an answer is chance; all of ideal trades.

    Attributes
    ----------
    trades : DataFrame
        account, instrument, listed (signed, in the list), low, high (5 % and 95 % over all solves), present (share of the
        solves that trade it the same way), noise (the interval holds nothing).
    numbers : DataFrame
        measure, value (of the list's own solve), low, high: optimum and CVaR by kind of change.
    optimism
        Mean over resamples of the CVaR out of the bag less that in the bag, at each resample's own optimum.
    cvar_in, cvar_out
        CVaR of the list in its own sample, and its mean on fresh samples (other seeds).
    level
        Of the CVaR.
    solves, failed
        How often it was solved again, and how often without an answer.
    """

    MAY_BE_INFINITE: ClassVar[bool] = True

    trades: pd.DataFrame
    numbers: pd.DataFrame
    optimism: float
    cvar_in: float
    cvar_out: float
    level: float
    unit: str
    solves: int
    failed: int
    _case: Case | None = field(default=None, repr=False)

    @property
    def noise(self) -> list[str]:
        """Instruments whose trades are noise."""
        return self.trades.loc[self.trades["noise"] & (self.trades["listed"] != 0.0), "instrument"].tolist()

    def steady(self, share: float = 0.01) -> Proposal | None:
        """The list without noise trades, as many as it can do without at ``share`` of the objective more at most.

        None where the list has no noise, or can't do without any of it.
        """
        if self._case is None:
            raise InputError("was not computed in this process", field="steady", fix="call ho.stability again")
        case, shut, found = self._case, list[str](), None
        allowed = case.listed.objective + share * abs(case.listed.objective)
        mine = self.trades[self.trades["noise"] & (self.trades["listed"] != 0.0)].sort_values("present")
        rules = case.policy.candidates
        for name in mine["instrument"]:
            names = tuple(dict.fromkeys((*rules.do_not_trade, *shut, name)))
            other = rules.model_validate({**rules.model_dump(), "do_not_trade": names})
            try:
                proposal = again(case, with_fields(case.policy, candidates=other))
            except HedgeoptError:
                continue
            if proposal.certificate.objective <= case.told(allowed):
                shut, found = [*shut, name], proposal
        return found

    def summary(self) -> list[str]:
        """At most ten lines."""
        lines = [
            f"CVaR {self.level:g} of the list: {plain_number(self.cvar_in)} {self.unit} in its own sample, "
            f"{plain_number(self.cvar_out)} on fresh ones; optimism of an optimum {plain_number(self.optimism)}"
        ]
        for row in self.numbers.to_dict("records"):
            lines.append(
                f"{row['measure']}: {plain_number(row['value'])}, {plain_number(row['low'])} to {plain_number(row['high'])}"
            )
        noise = self.noise
        lines.append(
            f"noise, {many(len(noise), 'trade')}: {', '.join(noise[:6])}" if noise else "no trade of the list is noise"
        )
        return [*lines[:9], f"{many(self.solves, 'solve')}, {self.failed} without an answer"]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "summary": self.summary(), "optimism": self.optimism, "cvar_in": self.cvar_in, "cvar_out": self.cvar_out,
            "level": self.level, "trades": self.trades.to_dict("records"), "numbers": self.numbers.to_dict("records"),
            "solves": self.solves, "failed": self.failed,
        }  # fmt: skip

    def __repr__(self) -> str:
        return f"Stability({many(self.solves, 'solve')}, {many(len(self.noise), 'noise trade')})"


@strict_call
def stability(
    proposal: Proposal, *, book: Book | None = None, market: Market | None = None, resamples: int = 20, seeds: int = 5,
    marks: int = 5, level: float = 0.99, seed: int = 0,
) -> Stability:  # fmt: skip
    """Solve a proposal's problem again on resampled scenarios, other seeds, and marks moved within their spreads.

    Parameters
    ----------
    resamples
        Bootstrap samples of the scenarios, drawn with replacement.
    seeds
        Fresh samples of the same model: the policy's seed and the numbers after it.
    marks
        Books in which every mark lies elsewhere between its bid and ask: up to half of the half-spread either way.
    level
        Of the CVaR that is told.

    Raises
    ------
    InputError
    """
    if min(resamples, seeds, marks) < 0 or resamples + seeds + marks == 0:
        raise InputError("nothing is solved again", field="stability", fix="give resamples, seeds or marks above 0")
    if not 0.0 < level < 1.0:
        raise InputError("is no level", field="stability: level", value=level, fix="give 0.99")
    case = case_of(proposal, book, market)
    rng = np.random.default_rng(seed)
    e, base = case.e, case.ideal
    found: dict[str, list[tuple[float, float, np.ndarray]]] = {"resampled": [], "other seeds": [], "moved marks": []}
    gaps, fresh, failed = list[float](), list[float](), 0
    for kind, other, out in _worlds(case, rng, resamples, seeds, marks):
        if kind == "other seeds":
            fresh.append(_tail(other, case.x, level))
        try:
            answer = case.answer(e=other, lots="none")
        except (InfeasibleError, CertificateError):
            failed += 1
            continue
        inside = _tail(other, answer.x, level)
        if out is not None:
            gaps.append(_tail(out, answer.x, level) - inside)
        found[kind].append((answer.objective, inside, answer.x))
    every = np.array([x for rows in found.values() for _, _, x in rows]).reshape(-1, e.n_candidates)
    numbers = []
    for kind, rows in found.items():
        for j, (measure, value) in enumerate((("optimum", base.objective), (f"CVaR {level:g} of the optimum",
                                                                           _tail(e, base.x, level)))):  # fmt: skip
            if rows:
                low, high = np.quantile([row[j] for row in rows], _INTERVAL)
                told = {"value": case.told(value), "low": case.told(float(low)), "high": case.told(float(high))}
                numbers.append({"measure": f"{measure}, {kind}", **told})
    return Stability(
        trades=_trades(case, every), numbers=pd.DataFrame(numbers, columns=["measure", "value", "low", "high"]),
        optimism=case.told(float(np.mean(gaps))) if gaps else float("nan"), cvar_in=case.told(_tail(e, case.x, level)),
        cvar_out=case.told(float(np.mean(fresh))) if fresh else float("nan"), level=level, unit=proposal.unit,
        solves=len(every) + failed, failed=failed, _case=case,
    )  # fmt: skip


def _worlds(
    case: Case, rng: np.random.Generator, resamples: int, seeds: int, marks: int
) -> Iterator[tuple[str, Exposures, Exposures | None]]:
    e, n = case.e, len(case.e.base_pnl)
    for _ in range(resamples):
        at = rng.integers(0, n, n)
        left = np.setdiff1d(np.arange(n), at)
        yield "resampled", _rows(e, at), _rows(e, left) if len(left) else None
    drawn = case.policy.scenarios
    if hasattr(drawn, "seed"):
        for k in range(1, seeds + 1):
            other = drawn.model_copy(update={"seed": drawn.seed + k})
            yield "other seeds", expose(case.book, case.market, with_fields(case.policy, scenarios=other)), None
    for _ in range(marks):
        half = np.minimum(e.cost_buy - e.fee, e.cost_sell - e.fee)
        moved = _MARKS * np.maximum(half, 0.0) * rng.uniform(-1.0, 1.0, e.n_candidates)
        yield "moved marks", replace(e, cost_buy=e.cost_buy + moved, cost_sell=e.cost_sell - moved), None


def _rows(e: Exposures, at: np.ndarray) -> Exposures:
    """Exposures over some of the scenarios."""
    p = None if e.probabilities is None else e.probabilities[at] / e.probabilities[at].sum()
    account = None if e.account_pnl is None else e.account_pnl[at]
    return replace(e, base_pnl=e.base_pnl[at], pnl=e.pnl[at], probabilities=p, account_pnl=account)


def _tail(e: Exposures, x: np.ndarray, level: float) -> float:
    return tail_loss(-(e.base_pnl + e.pnl @ x), level, e.probabilities)


def _trades(case: Case, every: np.ndarray) -> pd.DataFrame:
    e, rows = case.e, []
    sent = set(e.links.candidate.tolist())
    for i in range(e.n_candidates):
        if i in sent or not (case.x[i] or (len(every) and (every[:, i] != 0.0).any())):
            continue
        low, high = np.quantile(every[:, i], _INTERVAL) if len(every) else (0.0, 0.0)
        way = np.sign(case.x[i]) or np.sign(every[:, i].sum())
        rows.append(
            {
                "account": e.accounts[e.rows.account[e.candidate[i]]],
                "instrument": case.name(i),
                "listed": float(case.x[i]),
                "low": float(low),
                "high": float(high),
                "present": float(np.mean(np.sign(every[:, i]) == way)) if len(every) else 0.0,
                "noise": bool(low <= 0.0 <= high),
            }
        )
    columns = ["account", "instrument", "listed", "low", "high", "present", "noise"]
    frame = pd.DataFrame(rows, columns=columns)
    return frame.sort_values(["present", "instrument"], ascending=[False, True], ignore_index=True)
