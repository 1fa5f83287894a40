"""The commands' work: read, solve, write, print."""

from __future__ import annotations

import json as json_text
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hedgeopt.cli.console import progress, say, say_without_charts
from hedgeopt.cli.inputs import MarketOptions, json_answer, override, print_json, print_report, read_holdings, read_rules
from hedgeopt.cli.streams import output
from hedgeopt.errors import InputError
from hedgeopt.files.names import require_known
from hedgeopt.files.notebook import span_of_days
from hedgeopt.files.writing import refuse_unwritable

if TYPE_CHECKING:
    from hedgeopt.inputs.book import Book
    from hedgeopt.inputs.market import Market
    from hedgeopt.inputs.policy import Policy
    from hedgeopt.measures.risk import RiskReport
    from hedgeopt.models.arrays import Exposures
    from hedgeopt.program.proposal import Proposal
    from hedgeopt.reports.book_pages import BookHead

__all__ = ["check", "demo", "margin", "risk", "schema", "solve"]

_log = logging.getLogger(__name__)


def solve(
    book: Path | Sequence[Path],
    market: MarketOptions,
    policy: Path | None,
    as_of: str | None = None,
    scenarios: int | None = None,
    seed: int | None = None,
    solver: str | None = None,
    time_limit: float | None = None,
    json: bool = False,
    out: Path | None = None,
    preset: str | None = None,
) -> None:
    """Read, solve, write, print."""
    _one_policy(policy, preset)
    with progress() as stage:
        from hedgeopt.inputs.policy import read_policy
        from hedgeopt.program.solve import propose

        stage("read")
        if out is not None:
            refuse_unwritable(out)
        start = time.perf_counter()
        rules = None if policy is None else override(read_policy(policy), scenarios, seed, solver, time_limit)
        holdings, quotes = read_holdings(book, as_of, market.venue), market.read()
        if rules is None:
            rules = override(_preset(preset, holdings, quotes, seed), scenarios, None, solver, time_limit)
        read = time.perf_counter() - start
        proposal = propose(holdings, quotes, rules, progress=stage)
        proposal = replace(proposal, seconds={"read": read, **proposal.seconds})
        _log_solved(proposal)
        if out is not None:
            stage("draw")
            proposal.write(out)
    if json:
        output().write(proposal.to_json())
    else:
        from hedgeopt.reports.terminal import proposal_report

        print_report(proposal_report(proposal))
    if out is not None:
        say(f"wrote {out / 'proposal.json'} and {out / 'proposal.html'}")
        say_without_charts()


def _one_policy(policy: Path | None, preset: str | None) -> None:
    """Refuse both a policy and a preset, neither, and a preset that is none."""
    if (policy is None) == (preset is None):
        problem = "is missing" if policy is None else "is given beside --preset"
        fix = "give one of them: --policy POLICY.toml, or --preset delta|delta-vega|tail|crash"
        raise InputError(problem, field="--policy", value=policy, fix=fix)
    if preset is not None:
        from hedgeopt.presets import PRESETS

        require_known([preset], PRESETS, "preset", file=None, field="--preset")


def _preset(preset: str | None, book: Book, market: Market, seed: int | None) -> Policy:
    from hedgeopt.presets import PRESETS

    return PRESETS[str(preset)](book, market, seed=seed or 0)


def _log_solved(proposal: Proposal) -> None:
    certificate = proposal.certificate
    _log.info(
        "objective %.9g, lower bound %.9g, %s", certificate.objective, certificate.lower_bound, _told(proposal.seconds)
    )
    _log.info("solver: %s", _told(proposal.statistics))
    _log.debug("inputs: %s; scenarios %s", _told(proposal.inputs or {}), proposal.scenario_digest)


def _told(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {f'{value:.3g}' if isinstance(value, float) else value}" for name, value in values.items())


def risk(
    book: Path | Sequence[Path],
    market: MarketOptions,
    policy: Path | None = None,
    as_of: str | None = None,
    scenarios: int | None = None,
    seed: int | None = None,
    time_limit: float | None = None,
    json: bool = False,
    out: Path | None = None,
) -> None:
    """Exposures of the book alone."""
    with progress() as stage:
        from hedgeopt.exposures.expose import expose
        from hedgeopt.measures.risk import risk_report
        from hedgeopt.program.outside import due

        stage("read")
        if out is not None:
            refuse_unwritable(out)
        rules = override(read_rules(policy), scenarios, seed, time_limit=time_limit)
        holdings, quotes = read_holdings(book, as_of, market.venue), market.read()
        stage("value")
        with due(rules.time_limit_seconds):
            exposures = expose(holdings, quotes, rules, trades=False)
            report = risk_report(exposures)
            data = _risk_data(holdings, quotes, rules, exposures, report)
            if out is not None:
                stage("draw")
                _write(out, "risk", data, _risk_page(_head(holdings, quotes), rules, exposures, report))
    if json:
        print_json(data)
    else:
        from hedgeopt.reports.terminal import risk_report_table

        print_report(risk_report_table(report, exposures.notes))
    _say_written(out, "risk")


def margin(
    book: Path | Sequence[Path],
    market: MarketOptions,
    policy: Path | None,
    as_of: str | None = None,
    time_limit: float | None = None,
    json: bool = False,
    out: Path | None = None,
) -> None:
    """Margin of every account, now and in stress."""
    with progress() as stage:
        from hedgeopt.measures.margin_report import margin_report
        from hedgeopt.program.outside import due
        from hedgeopt.reports.margin import margin_tables

        stage("read")
        if out is not None:
            refuse_unwritable(out)
        rules = override(read_rules(policy), None, None, time_limit=time_limit)
        holdings, quotes = read_holdings(book, as_of, market.venue), market.read()
        stage("value")
        with due(rules.time_limit_seconds):
            report = margin_report(holdings, quotes, rules)
            if out is not None:
                from hedgeopt.reports.book_pages import margin_page

                stage("draw")
                _write(out, "margin", report.to_dict(), margin_page(_head(holdings, quotes), report))
    if json:
        print_json(report.to_dict())
    else:
        print_report(margin_tables(report))
    _say_written(out, "margin")


def _risk_data(book: Book, market: Market, rules: Policy, e: Exposures, report: RiskReport) -> dict[str, Any]:
    data: dict[str, Any] = {"book": book.name, "market": market.source, "created": market.timestamp.isoformat()}
    data |= {"risk": report.to_dict(), "notes": list(e.notes)}
    if rules.numeraire is not None:
        data["numeraire"] = {"asset": report.unit, "price": report.unit_price}
    if report.tags:
        from hedgeopt.measures.tags import by_tag

        data["tags"] = by_tag(e).to_dict(orient="index")
    return data


def _head(book: Book, market: Market) -> BookHead:
    from hedgeopt.reports.book_pages import BookHead

    return BookHead(book.name, market.source, market.timestamp)


def _risk_page(head: BookHead, rules: Policy, e: Exposures, report: RiskReport) -> str:
    import numpy as np

    from hedgeopt.measures.figures import figures
    from hedgeopt.measures.margin import account_margin
    from hedgeopt.reports.book_pages import risk_page

    accounts = [account_margin(e, c) for c in range(len(e.accounts))]
    sample = f"{len(e.base_pnl):,} {rules.scenarios.kind} over {span_of_days(e.horizon_days)}, seed {rules.scenarios.seed}"
    return risk_page(head, report, accounts, figures(e, np.zeros(e.n_candidates)), sample, e.notes)


def _write(out: Path, name: str, data: Any, page: str) -> None:
    from hedgeopt.files.writing import write_atomically

    write_atomically({out / f"{name}.json": json_answer(data), out / f"{name}.html": page})


def _say_written(out: Path | None, name: str) -> None:
    if out is not None:
        say(f"wrote {out / f'{name}.json'} and {out / f'{name}.html'}")
        say_without_charts()


def check(book: Path | Sequence[Path] | None, market: MarketOptions, policy: Path | None, as_of: str | None = None) -> None:
    """Read the files given; with all three, price the book and compile the program."""
    book = None if not book else [book] if isinstance(book, Path) else book
    if book is None and not market.files and policy is None:
        raise InputError("nothing to check", fix="give --book, --market or --policy")
    if market.prices and not market.files:
        raise InputError("prices belong to a market", field="--price", fix="give --market as well")
    lines = []
    with progress() as stage:
        stage("read")
        rules = holdings = quotes = None
        if policy is not None:
            from hedgeopt.inputs.policy import read_policy

            rules = read_policy(policy)
            lines.append(f"{policy}: {len(rules.minimize)} terms to minimise, {len(rules.subject_to)} limits")
        if book is not None:
            holdings = read_holdings(book, as_of, market.venue)
            lines.append(f"{', '.join(map(str, book))}: {len(holdings.accounts)} accounts, {holdings.n_positions} positions")
            lines += [f"note: {note}" for note in holdings.notes]
        if market.files:
            quotes = market.read()
            lines.append(f"{quotes.source}: {len(quotes)} instruments at {quotes.timestamp:%Y-%m-%d %H:%M:%S} UTC")
            from hedgeopt.measures.arbitrage import arbitrage_notes

            lines += [f"note: {note}" for note in (*quotes.notes, *arbitrage_notes(quotes))]
        if rules is not None and holdings is not None and quotes is not None:
            lines.append(_fit(holdings, quotes, rules, stage))
    output().write("".join(f"{line}\n" for line in lines))


def schema(kind: str) -> None:
    """Print a JSON Schema."""
    from hedgeopt.inputs.schema import input_schema

    output().write(json_text.dumps(input_schema(kind), indent=2) + "\n")


def demo(out: Path, json: bool = False) -> None:
    """Write the example's inputs and solve them."""
    with progress():
        from hedgeopt.example import example_files
        from hedgeopt.files.writing import write_atomically

        inputs = {out / name: text for name, text in example_files().items()}
        write_atomically(inputs)
    book, market, policy = (out / name for name in ("book.json", "market.csv", "policy.toml"))
    solve(book, MarketOptions([market]), policy, json=json, out=out)
    say(f"the same by hand: hedgeopt solve --book {book} --market {market} --policy {policy} --out {out}")


def _fit(book: Book, market: Market, policy: Policy, stage: Callable[[str], None]) -> str:
    from hedgeopt.exposures.expose import expose
    from hedgeopt.program.box import trade_box
    from hedgeopt.program.program import Program

    stage("value")
    exposures = expose(book, market, override(policy, min(policy.scenarios.count, 100), None))
    stage("build")
    Program(policy, exposures).update(exposures, trade_box(policy, exposures))
    held = len(exposures.rows) - int((exposures.rows.quantity == 0).sum())
    return f"together: {held} positions priced, {exposures.n_candidates} candidates, ready to solve"
