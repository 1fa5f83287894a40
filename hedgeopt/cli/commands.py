"""``hedgeopt solve``, ``demo``, ``check`` and ``schema``: read, solve, write, print."""

from __future__ import annotations

import json as json_text
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hedgeopt.cli.console import progress, say, say_without_charts
from hedgeopt.cli.inputs import MarketOptions, override, print_report, read_holdings
from hedgeopt.cli.streams import output
from hedgeopt.cli.time_limit import within
from hedgeopt.errors import CertificateError, InputError
from hedgeopt.files.counted import many
from hedgeopt.files.names import require_known
from hedgeopt.files.writing import refuse_unwritable

if TYPE_CHECKING:
    from hedgeopt.inputs.book import Book
    from hedgeopt.inputs.market import Market
    from hedgeopt.inputs.policy import Policy
    from hedgeopt.program.proposal import Proposal

__all__ = ["check", "demo", "schema", "solve"]

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
    record: Sequence[Path] = (),
) -> None:
    """Read, solve, write, print."""
    _one_policy(policy, preset)
    with progress() as stage, within(time_limit):
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
        if record:
            stage("record")
            proposal = _with_record(proposal, quotes, rules, record)
        _log_solved(proposal)
        if out is not None:
            stage("draw")
            proposal.write(out)
            if preset is not None:  # hedgeopt verify asks for the policy
                (out / "policy.toml").write_text(rules.to_toml(), encoding="utf-8")
    if json:
        output().write(proposal.to_json())
    else:
        from hedgeopt.reports.terminal import proposal_report

        print_report(proposal_report(proposal))
    if out is not None:
        more = "" if preset is None else f", and the policy of --preset {preset} as {out / 'policy.toml'}"
        say(f"wrote {out / 'proposal.json'} and {out / 'proposal.html'}{more}")
        say_without_charts()
    if not proposal.certificate.valid:
        raise CertificateError(f"NOT certified: {proposal.certificate.missing}", proposal)


def _with_record(proposal: Proposal, market: Market, policy: Policy, record: Sequence[Path]) -> Proposal:
    """The proposal with the coverage of its model over recorded chains, by books like the one after trading."""
    from hedgeopt.backtest.record_coverage import record_coverage
    from hedgeopt.cli.scenarios_judge import chain_markets
    from hedgeopt.inputs.book import Book

    if proposal.promise is None or proposal.book_after is None:
        return proposal
    after = Book.model_validate(proposal.book_after)
    name = ", ".join(path.name for path in record)
    coverage = record_coverage(after, market, policy, chain_markets(record, None, None, None), record_name=name)
    return replace(proposal, promise=replace(proposal.promise, coverage=coverage))


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
            lines.append(
                f"{policy}: {many(len(rules.minimize), 'term')} to minimise, {many(len(rules.subject_to), 'limit')}"
            )
        if book is not None:
            holdings = read_holdings(book, as_of, market.venue)
            held = f"{many(len(holdings.accounts), 'account')}, {many(holdings.n_positions, 'position')}"
            lines.append(f"{', '.join(map(str, book))}: {held}")
            lines += [f"note: {note}" for note in holdings.notes]
        if market.files:
            quotes = market.read()
            lines.append(f"{quotes.source}: {many(len(quotes), 'instrument')} at {quotes.timestamp:%Y-%m-%d %H:%M:%S} UTC")
            from hedgeopt.measures.arbitrage import arbitrage_notes

            lines += [f"note: {note}" for note in (*quotes.notes, *arbitrage_notes(quotes))]
        if rules is not None and holdings is not None and quotes is not None:
            lines += _fit(holdings, quotes, rules, stage)
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


def _fit(book: Book, market: Market, policy: Policy, stage: Callable[[str], None]) -> list[str]:
    from hedgeopt.exposures.expose import expose, holdings_of
    from hedgeopt.exposures.references import check_references
    from hedgeopt.program.box import trade_box
    from hedgeopt.program.program import Program

    stage("value")
    exposures = expose(book, market, override(policy, min(policy.scenarios.count, 100), None))
    stage("build")
    Program(policy, exposures).update(exposures, trade_box(policy, exposures))
    held = len(exposures.rows) - int((exposures.rows.quantity == 0).sum())
    notes = check_references(holdings_of(book, market, policy), policy)
    return [
        f"together: {many(held, 'position')} priced, {many(exposures.n_candidates, 'candidate')}, ready to solve",
        *(f"note: {note}" for note in notes),
    ]
