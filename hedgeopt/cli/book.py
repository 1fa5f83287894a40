"""``hedgeopt risk`` and ``margin``: a book as it is, without trades."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hedgeopt.cli.console import progress, say, say_without_charts
from hedgeopt.cli.inputs import MarketOptions, json_answer, override, print_json, print_report, read_holdings, read_rules
from hedgeopt.cli.time_limit import within
from hedgeopt.files.writing import refuse_unwritable

if TYPE_CHECKING:
    from hedgeopt.inputs.book import Book
    from hedgeopt.inputs.market import Market
    from hedgeopt.inputs.policy import Policy
    from hedgeopt.measures.risk import RiskReport
    from hedgeopt.models.arrays import Exposures
    from hedgeopt.reports.book_pages import BookHead

__all__ = ["margin", "risk"]


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
    _show("risk", _risk, book, market, policy, as_of, scenarios, seed, time_limit, json, out)


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
    _show("margin", _margin, book, market, policy, as_of, None, None, time_limit, json, out)


@dataclass(frozen=True)
class _View:
    """What one of the two commands found, and its printed and its drawn form, which are made when asked for."""

    data: dict[str, Any]
    table: Callable[[], Any]
    page: Callable[[], str]


def _show(
    name: str,
    measure: Callable[[Book, Market, Policy], _View],
    book: Path | Sequence[Path],
    market: MarketOptions,
    policy: Path | None,
    as_of: str | None,
    scenarios: int | None,
    seed: int | None,
    time_limit: float | None,
    json: bool,
    out: Path | None,
) -> None:
    """Read, measure, and then print and write what was found, all of it within the time limit."""
    with progress() as stage, within(time_limit):
        from hedgeopt.files.writing import write_atomically
        from hedgeopt.program.outside import due

        stage("read")
        if out is not None:
            refuse_unwritable(out)
        rules = override(read_rules(policy), scenarios, seed, time_limit=time_limit)
        with due(rules.time_limit_seconds):
            holdings, quotes = read_holdings(book, as_of, market.venue), market.read()
            stage("value")
            view = measure(holdings, quotes, rules)
            if out is not None:
                stage("draw")
                write_atomically({out / f"{name}.json": json_answer(view.data), out / f"{name}.html": view.page()})
    if json:
        print_json(view.data)
    else:
        print_report(view.table())
    if out is not None:
        say(f"wrote {out / f'{name}.json'} and {out / f'{name}.html'}")
        say_without_charts()


def _risk(holdings: Book, quotes: Market, rules: Policy) -> _View:
    import numpy as np

    from hedgeopt.exposures.expose import expose
    from hedgeopt.measures.figures import counted_losses
    from hedgeopt.measures.margin import account_margin, margin_in_units
    from hedgeopt.measures.risk import risk_report
    from hedgeopt.measures.sample import sample_words
    from hedgeopt.reports.danger import danger
    from hedgeopt.reports.sample import sample_sentence

    e = expose(holdings, quotes, rules, trades=False, sampled="if known")
    report = risk_report(e)
    accounts = [margin_in_units(account_margin(e, c), report.unit_price) for c in range(len(e.accounts))]
    remains, drawn, nothing = (
        danger(accounts, unit=report.unit, notes=e.notes),
        sample_words(rules, e),
        np.zeros(e.n_candidates),
    )
    sample = e.notes[0]  # why there is no tail
    if report.cvar:
        settings = rules.scenarios.model_dump(mode="json")
        sample = sample_sentence(counted_losses(e, nothing), drawn, settings, report.unit)
    data = {"headline": {**remains.to_dict(), "sample": sample}, **_risk_data(holdings, quotes, rules, e, report)}

    def table() -> Any:
        from hedgeopt.reports.terminal import danger_frame, risk_report_table

        head = [danger_frame(remains, _title(holdings, quotes), [sample])]
        return risk_report_table(report, e.notes, head=head, drawn=drawn)

    def page() -> str:
        from hedgeopt.measures.figures import figures
        from hedgeopt.reports.book_pages import risk_page

        plotted = figures(e, nothing) if report.cvar else None
        return risk_page(_head(holdings, quotes), report, accounts, plotted, drawn, e.notes, sample)

    return _View(data, table, page)


def _margin(holdings: Book, quotes: Market, rules: Policy) -> _View:
    from hedgeopt.measures.margin_report import margin_report
    from hedgeopt.reports.danger import danger
    from hedgeopt.reports.margin import margin_tables

    report = margin_report(holdings, quotes, rules)
    data = {"headline": danger(report.accounts, unit=report.unit, notes=report.notes).to_dict(), **report.to_dict()}

    def page() -> str:
        from hedgeopt.reports.book_pages import margin_page

        return margin_page(_head(holdings, quotes), report)

    return _View(data, lambda: margin_tables(report, _title(holdings, quotes)), page)


def _risk_data(book: Book, market: Market, rules: Policy, e: Exposures, report: RiskReport) -> dict[str, Any]:
    data: dict[str, Any] = {"book": book.name, "market": market.source, "created": market.timestamp.isoformat()}
    data |= {"risk": report.to_dict(), "notes": list(e.notes)}
    if rules.numeraire is not None:
        data["numeraire"] = {"asset": report.unit, "price": report.unit_price}
    return data


def _head(book: Book, market: Market) -> BookHead:
    from hedgeopt.reports.book_pages import BookHead

    return BookHead(book.name, market.source, market.timestamp)


def _title(book: Book, market: Market) -> str:
    return f"{book.name} · {market.timestamp:%Y-%m-%d %H:%M:%S} UTC"
