"""What a list of trades is worth under a policy: anybody's list, beside the best there is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
import pandas as pd

from hedgeopt.errors import CertificateError, InfeasibleError, InputError
from hedgeopt.exposures.expose import expose, holdings_of
from hedgeopt.files.calls import strict_call, strict_class
from hedgeopt.files.counted import many
from hedgeopt.files.names import advice
from hedgeopt.files.notebook import plain_number, plain_size
from hedgeopt.inputs.book import Book
from hedgeopt.inputs.market import Market
from hedgeopt.inputs.policy import Policy
from hedgeopt.models.arrays import Exposures
from hedgeopt.program.assemble import assemble
from hedgeopt.program.box import Box, trade_box
from hedgeopt.program.certificate import FEASIBILITY, certify
from hedgeopt.program.certified import solve_program
from hedgeopt.program.counted import certificate_as_told
from hedgeopt.program.explain.given_trades import GivenTrade, given_trades
from hedgeopt.program.explain.screened import why_screened
from hedgeopt.program.lots.steps import in_whole_lots, lots_of
from hedgeopt.program.plain_limits import plain_sides
from hedgeopt.program.program import Program
from hedgeopt.program.proposal import Proposal
from hedgeopt.program.proven import Certificate
from hedgeopt.program.provenance import input_hashes
from hedgeopt.program.solution import Solution

__all__ = ["Evaluation", "evaluate"]


@strict_class
@dataclass(frozen=True, eq=False)
class Evaluation:
    """A list of trades under a policy.

    Attributes
    ----------
    proposal
        The list as a proposal has it: trades with their costs, limits before and after, risk, margins, objective. Its
        certificate says whether every limit holds and how far from optimal the list may be.
    optimum, lower_bound
        Objective of the policy's own certified list and its proven bound, in the objective's unit; None where no list meets
        every limit.
    best
        The trades of that list; None likewise.
    no_optimum
        Why there is none, in one line.
    others
        What the list breaks beside the limits of the proposal's table: limits that count trades, sizes, lots, instruments
        that the policy leaves out; columns as of :attr:`broken`.
    remarks
        What a venue or the policy would say to single trades, one line each.
    """

    proposal: Proposal
    optimum: float | None
    lower_bound: float | None
    best: pd.DataFrame | None = field(repr=False)
    no_optimum: str = ""
    others: pd.DataFrame = field(default_factory=pd.DataFrame, repr=False)
    remarks: tuple[str, ...] = ()

    @property
    def objective(self) -> float:
        """Of the list."""
        return self.proposal.certificate.objective

    @property
    def feasible(self) -> bool:
        """Whether every limit holds, by the plain rules of the venues, the trade limits and lots included."""
        return self.proposal.certificate.feasible

    @property
    def distance(self) -> float | None:
        """Objective of the list less that of the best list: what the list costs more; negative only of one that breaks a
        limit, or trades what the policy leaves out."""
        return None if self.optimum is None else self.objective - self.optimum

    @property
    def broken(self) -> pd.DataFrame:
        """Limits that the list breaks, with the excess in each limit's unit."""
        limits = self.proposal.limits
        over = np.where(limits["sense"] == "<=", limits["after"] - limits["bound"], limits["bound"] - limits["after"])
        size = np.maximum(limits["bound"].abs(), 1e-12)
        found = limits.assign(excess=over)[over > 1e-9 * size]
        found = found[["limit", "after", "sense", "bound", "unit", "excess"]]
        return found.reset_index(drop=True) if self.others.empty else pd.concat([found, self.others], ignore_index=True)

    def summary(self) -> list[str]:
        """At most ten lines."""
        p, unit = self.proposal, self.proposal.unit
        sent = f" and {many(len(p.transfers), 'transfer')}" if len(p.transfers) else ""
        lines = [
            f"{many(len(p.trades), 'trade')}{sent}: "
            f"{plain_number(p.costs['transaction'])} {unit} to trade, objective {plain_number(self.objective)}"
        ]
        lines += [f"it breaks {self._broken_words()}" if not self.feasible else "every limit holds"]
        if self.optimum is None:
            lines.append(f"there is no best list to compare it with: {self.no_optimum}"[:400])
        else:
            gap = self.distance or 0.0
            word = "more" if gap >= 0.0 else "less"
            lines.append(
                f"the best list under this policy has {plain_number(self.optimum)}: this one costs "
                f"{plain_number(abs(gap))} {word}{'' if gap >= 0.0 or self.feasible else ', as it breaks limits'}"
            )
        for level, value in p.after.cvar.items():
            lines.append(f"CVaR {level}: {plain_number(p.before.cvar[level])} before, {plain_number(value)} after")
        for one in p.after.accounts[:2]:
            used = (
                f"{one.utilisation:.1%} of equity after" if np.isfinite(one.utilisation) else "equity after is not above 0"
            )
            lines.append(f"margin of {one.name}: {used}")
        lines += list(self.remarks)
        return lines[:10] if len(lines) <= 10 else [*lines[:9], f"and {len(lines) - 9} more remarks"]

    def _broken_words(self) -> str:
        rows = self.broken
        if rows.empty:
            return self.proposal.certificate.worst_limit
        told = [_in_words(row) for row in rows.to_dict("records")]
        return "; ".join(told[:4]) + (f" and {len(told) - 4} more limits" if len(told) > 4 else "")

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "feasible": self.feasible,
            "objective": self.objective,
            "optimum": self.optimum,
            "lower_bound": self.lower_bound,
            "distance": self.distance,
            "no_optimum": self.no_optimum,
            "broken": self.broken.to_dict("records"),
            "remarks": list(self.remarks),
            "summary": self.summary(),
            "best": None if self.best is None else self.best.to_dict("records"),
            "proposal": self.proposal.to_dict(),
        }

    def __repr__(self) -> str:
        gap = "no optimum" if self.distance is None else f"{plain_number(self.distance)} above the optimum"
        held = "every limit holds" if self.feasible else "limits are broken"
        return f"Evaluation({many(len(self.proposal.trades), 'trade')}, {held}, {gap})"


@strict_call
def evaluate(book: Book, market: Market, policy: Policy, trades: Any, *, transfers: Any = None) -> Evaluation:
    """What a list of trades comes to under a policy, and how far it is from the best list.

    Parameters
    ----------
    trades
        A CSV file, workbook or table with the columns instrument and quantity, side (buy, sell; without it a positive
        quantity buys) and account (optional where one account trades at the instrument's venue); other columns are not
        read. The ``trades`` of a proposal will do.
    transfers
        A table like ``Proposal.transfers``; None: no collateral moves.

    Raises
    ------
    InputError
        One line with file, row, value and fix: no such instrument or account, no number.
    """
    listed = given_trades(trades)
    known = {item.name for item in market.instruments.values()}
    for one in listed:
        if one.instrument not in known:
            raise one.refused("is no instrument of the market", "instrument", one.instrument, advice(one.instrument, known))
    plain = expose(book, market, policy)
    offered = {plain.rows.instruments[row].name for row in plain.candidate.tolist()}
    extra = tuple(dict.fromkeys(one.instrument for one in listed if one.instrument not in offered))
    e = expose(book, market, policy, also=extra) if extra else plain
    x = _trades(e, listed)
    if transfers is not None:
        x += _sent(e, transfers)
    optimum, best, why = _optimum(policy, plain, book)
    program, box = Program(policy, e), trade_box(policy, e)
    program.forget()
    program.update(e, box)
    inside = _within(box, x)
    bound = -np.inf if optimum is None or extra else optimum.lower_bound
    gap = policy.lot_gap if policy.whole else None
    certificate, sides = certify(program, e, inside, x, {}, bound, lot_gap=gap, whole=policy.whole)
    remarks = [
        *_added_up(e, listed),
        *_remarks(policy, e, box, x),
        *(why_screened(holdings_of(book, market, policy), policy, n) for n in extra),
    ]
    others = _others(policy, e, box, x, extra, {side.name for side in sides})
    if len(others) and certificate.feasible:
        certificate = _with(certificate, str(others["limit"].iloc[0]))
    solution = Solution(x, certificate, tuple(sides), box, box.binding(x), {})
    proposal = assemble(book, input_hashes(book, market, policy), policy, program, e, solution, {})
    told = None if optimum is None else certificate_as_told(optimum, e.numeraire)
    return Evaluation(
        proposal=proposal, optimum=None if told is None else told.objective,
        lower_bound=None if told is None else told.lower_bound, best=best, no_optimum=why, others=others,
        remarks=tuple(remarks),
    )  # fmt: skip


def _optimum(policy: Policy, e: Exposures, book: Book) -> tuple[Certificate | None, pd.DataFrame | None, str]:
    from hedgeopt.program.assemble import trades_table

    program = Program(policy, e)
    try:
        found = solve_program(program, e)
    except (InfeasibleError, CertificateError) as error:
        return None, None, str(error)
    return found.certificate, trades_table(e, found.trades), ""


def _trades(e: Exposures, listed: list[GivenTrade]) -> np.ndarray:
    """(N,) the list as a vector; several rows of one instrument that go the same way add up, opposite ones are refused."""
    sent = set(e.links.candidate.tolist())
    where: dict[str, dict[str, int]] = {}
    for i, row in enumerate(e.candidate.tolist()):
        if i not in sent:
            where.setdefault(e.rows.instruments[row].name, {})[e.accounts[e.rows.account[row]]] = i
    x = np.zeros(e.n_candidates)
    for one in listed:
        places = where.get(one.instrument, {})
        if not places:
            raise one.refused("is traded by no account of the book", "instrument", one.instrument,
                              "no tradable account is at its venue, or the market's quotes of it are doubtful")  # fmt: skip
        if one.account is None and len(places) > 1:
            raise one.refused("is missing: several accounts trade the instrument", "account", None,
                              f"one of {', '.join(places)}")  # fmt: skip
        account = one.account or next(iter(places))
        if account not in places:
            raise one.refused("does not trade the instrument", "account", account, advice(account, places))
        if x[places[account]] * one.quantity < 0.0:
            raise one.refused("is bought in one row and sold in another", "instrument", one.instrument,
                              "write the one trade that is meant: both at once pay costs for nothing")  # fmt: skip
        x[places[account]] += one.quantity
    return x


def _added_up(e: Exposures, listed: list[GivenTrade]) -> Iterator[str]:
    """Instruments with several rows, which are one trade."""
    rows: dict[tuple[str, str | None], list[int]] = {}
    for one in listed:
        rows.setdefault((one.instrument, one.account), []).append(one.row)
    for (name, _), numbers in rows.items():
        if len(numbers) > 1:
            shown = ", ".join(map(str, numbers[:-1])) if len(numbers) < 6 else f"{numbers[0]} to {numbers[-2]}"
            yield f"rows {shown} and {numbers[-1]} are one trade of {name}: added up"


def _rule(policy: Policy, name: str) -> str:
    barred = any(fnmatchcase(name, pattern) for pattern in policy.candidates.do_not_trade)
    return " (candidates.do_not_trade)" if barred else ""


def _in_words(row: dict[str, Any]) -> str:
    """Such as ``delta BTC is 61.4981, at most 5 coin``."""
    name, after, bound = str(row["limit"]), float(row["after"]), float(row["bound"])
    if name.startswith("not allowed: "):
        return name
    if row["sense"] == "in lots of":
        return f"{name} is {plain_size(after)}, not in lots of {plain_number(bound)}"
    for word in (" upper", " lower"):
        name = name.removesuffix(word)
    told, at = plain_number(after), plain_number(bound)
    if told == at:
        told, at = plain_size(after), plain_size(bound)
    return f"{name} is {told}, at {'most' if row['sense'] == '<=' else 'least'} {at} {row['unit']}"


def _sent(e: Exposures, transfers: Any) -> np.ndarray:
    from hedgeopt.program.assemble import listed as read_back
    from hedgeopt.program.proposal import TRADES

    frame = pd.DataFrame(transfers)
    try:
        return read_back(e, TRADES.of({name: [] for name in TRADES}), frame)
    except KeyError as error:
        raise InputError("is no link of the book", field="evaluate: transfers", value=error.args[0],
                         fix="give the columns source, target, asset, bridge and amount of a link") from None  # fmt: skip


def _within(box: Box, x: np.ndarray) -> Box:
    """The box wide enough for the list, so that its limits are judged; what is beyond it is a remark."""
    from dataclasses import replace

    return replace(box, lower=np.minimum(box.lower, x), upper=np.maximum(box.upper, x))


def _others(policy: Policy, e: Exposures, box: Box, x: np.ndarray, extra: tuple[str, ...], known: set[str]) -> pd.DataFrame:
    """What is broken beside the limits of the program: counted limits, sizes, lots, what the policy leaves out."""
    rows: list[dict[str, Any]] = []
    for plain in plain_sides(policy, e, x, whole=policy.whole):
        s = plain.side
        if plain.excess > FEASIBILITY and s.name not in known:
            rows.append({"limit": s.name, "after": s.value, "sense": "<=" if s.sign > 0 else ">=", "bound": s.limit,
                         "unit": s.unit, "excess": s.violation})  # fmt: skip
    whole, lots = in_whole_lots(e, x), lots_of(e)
    for i in np.flatnonzero(x).tolist():
        item = e.rows.instruments[e.candidate[i]]
        size, most = abs(float(x[i])), float(max(box.upper[i] if x[i] > 0 else -box.lower[i], 0.0))
        if item.name in extra:
            rows.append({"limit": f"not allowed: {item.name}{_rule(policy, item.name)}",
                         "after": size, "sense": "<=", "bound": 0.0,
                         "unit": item.quantity_unit, "excess": size})  # fmt: skip
        elif size > most * (1.0 + 1e-9):
            rows.append({"limit": f"size of {item.name}", "after": size, "sense": "<=", "bound": most,
                         "unit": item.quantity_unit, "excess": size - most})  # fmt: skip
        elif policy.whole and not whole[i]:
            lot = float(lots[i])
            rows.append({"limit": f"whole lots of {item.name}", "after": size, "sense": "in lots of", "bound": lot,
                         "unit": item.quantity_unit, "excess": size - lot * float(np.floor(size / lot))})  # fmt: skip
    return pd.DataFrame(rows, columns=["limit", "after", "sense", "bound", "unit", "excess"])


def _with(certificate: Certificate, limit: str) -> Certificate:
    from dataclasses import replace

    return replace(certificate, worst_limit=limit, worst_violation=max(certificate.worst_violation, 1.0), feasible=False,
                   optimal=False)  # fmt: skip


def _remarks(policy: Policy, e: Exposures, box: Box, x: np.ndarray) -> Iterator[str]:
    whole, lots = in_whole_lots(e, x), lots_of(e)
    for i in np.flatnonzero(x).tolist():
        name, size = e.rows.instruments[e.candidate[i]].name, abs(x[i])
        side = "buy" if x[i] > 0 else "sell"
        most, source = (box.upper[i], box.upper_from[i]) if x[i] > 0 else (-box.lower[i], box.lower_from[i])
        if size > most * (1.0 + 1e-9):
            why = box.names[source] if most > 0 else f"no {'ask' if x[i] > 0 else 'bid'} is quoted, or it may not be traded"
            yield f"{side} {plain_size(size)} {name}: at most {plain_size(max(most, 0.0))} ({why})"
        elif policy.whole and not whole[i]:
            least = e.rows.minimum_size[e.candidate[i]]
            yield (
                f"{side} {plain_size(size)} {name}: not in whole lots of {plain_number(lots[i])}, or below the smallest "
                f"order of {plain_number(least)}"
            )
