"""What the product says of a random program, against the reference."""

from __future__ import annotations

import time
import warnings
from collections import Counter
from dataclasses import dataclass
from typing import Any

import hedgeopt as ho
from hedgeopt.program.box import trade_box
from hedgeopt.program.certified import solve_program
from hedgeopt.program.program import Program

HOLDS = 2e-8


@dataclass(frozen=True)
class Verdict:
    """``kind``: agreed, infeasible (both), refused, wrongly infeasible, WRONG, unknown (the reference failed).

    "reference missed": our trades meet every limit, and are better than what the reference's solver calls optimal.
    """

    kind: str
    words: str
    seconds: float


def judge(case: Any, reference: Any, rest: Any) -> Verdict:
    """Solve with hedgeopt and with the reference, and compare."""
    e, policy = case.e, case.policy
    box = trade_box(policy, e)
    start = time.perf_counter()
    solution, said = None, ""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            program = Program(policy, e)
            if case.own is not None:
                program.extend(*case.own(program.buys, program.sells, e))
            solution = solve_program(program, e)
        except ho.InfeasibleError as error:
            said = f"infeasible: {error}"
        except ho.CertificateError as error:
            said = f"refused: {error}"
    seconds = time.perf_counter() - start
    anchor = None if solution is None else solution.trades
    truth = reference.solve(e, policy.minimize, rest(policy), box.lower, box.upper, case.own, case.unit, anchor)
    slack = truth.error * case.unit
    if solution is None:
        if truth.status == "infeasible":
            return Verdict("infeasible", said, seconds)
        if truth.status != "optimal":
            return Verdict("unknown", f"{truth.status}; {said}", seconds)
        return Verdict(
            "wrongly infeasible" if said.startswith("infeasible") else "refused",
            f"{said} (optimum {truth.value:.9g})",
            seconds,
        )
    c, x = solution.certificate, solution.trades
    here = sum(part.weight * reference.value(e, part.term, x)[0] for part in policy.minimize)
    over, which = reference.excess(e, rest(policy), x, case.own)
    words = (
        f"objective {c.objective:.12g} ({here:.12g}), bound {c.lower_bound:.12g}, optimum {truth.value:.12g} +- {slack:.1g}"
    )
    rounding = 1e-9 * max(case.unit, abs(here))
    if over > HOLDS:
        return Verdict("WRONG", f"breaks {which} by {over:.1e}; {words}", seconds)
    if abs(here - c.objective) > rounding:
        return Verdict("WRONG", f"another objective; {words}", seconds)
    if c.lower_bound > here + rounding:
        return Verdict("WRONG", f"bound above the value of a feasible point; {words}", seconds)
    if truth.status != "optimal":
        return Verdict("unknown", f"reference {truth.status}; {words}", seconds)
    unit = max(abs(here), min(1.0, sum(abs(part.weight) for part in policy.minimize)))
    least = truth.value + slack + rounding
    if (
        c.lower_bound > least or here > least + policy.tolerance * unit
    ):  # the reference's solver may have broken limits itself
        over, which = reference.excess(e, rest(policy), truth.x, case.own, relative=True)
        if over > HOLDS:
            value = _drawn_in(case, reference, rest(policy), truth.x)
            if value is None:
                return Verdict("unknown", f"the reference breaks {which} by {over:.1e}; {words}", seconds)
            least = value + slack + rounding
            words += f" (which breaks {which} by {over:.1e}, and is {value:.12g} drawn in)"
    if c.lower_bound > least:
        return Verdict("WRONG", f"bound above the optimum; {words}", seconds)
    if here > least + policy.tolerance * unit:
        return Verdict("WRONG", f"objective above what the gap allows; {words}", seconds)
    if here < truth.value - slack - rounding:  # feasible by the reference's own evaluation, and better than its optimum
        return Verdict("reference missed", words, seconds)
    return Verdict("agreed", words, seconds)


def _drawn_in(case: Any, reference: Any, rules: Any, x: Any) -> float | None:
    """The objective where trades x, made smaller by one factor, meet every limit; None where not even no trades do."""
    e = case.e
    if reference.excess(e, rules, 0.0 * x, case.own, relative=True)[0] > HOLDS:
        return None
    low, high = 0.0, 1.0
    for _ in range(40):
        middle = 0.5 * (low + high)
        fits = reference.excess(e, rules, (1.0 - middle) * x, case.own, relative=True)[0] <= 0.01 * HOLDS
        low, high = (low, middle) if fits else (middle, high)
    return float(sum(part.weight * reference.value(e, part.term, (1.0 - high) * x)[0] for part in case.policy.minimize))


def table(verdicts: dict[str, Verdict]) -> str:
    """Counts, and every program that is not agreed."""
    counts = Counter(v.kind for v in verdicts.values())
    slowest = max(verdicts.items(), key=lambda item: item[1].seconds)
    lines = [f"{len(verdicts)} programs: " + ", ".join(f"{n} {kind}" for kind, n in counts.most_common())]
    lines += [
        f"  {v.kind:18s} {name}\n      {v.words[:400]}"
        for name, v in verdicts.items()
        if v.kind not in ("agreed", "infeasible")
    ]
    lines.append(
        f"slowest {slowest[1].seconds:.1f} s: {slowest[0]}; total {sum(v.seconds for v in verdicts.values()):.0f} s"
    )
    return "\n".join(lines)
