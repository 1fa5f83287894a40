"""``hedgeopt risk`` and ``margin``: a book as it is, without trades."""

from __future__ import annotations

from collections.abc import Sequence
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
    with progress() as stage, within(time_limit):
        import numpy as np

        from hedgeopt.exposures.expose import expose
        from hedgeopt.measures.figures import counted_losses
        from hedgeopt.measures.margin import account_margin
        from hedgeopt.measures.risk import risk_report
        from hedgeopt.measures.sample import sample_words
        from hedgeopt.program.outside import due
        from hedgeopt.reports.danger import danger
        from hedgeopt.reports.sample import sample_sentence

        stage("read")
        if out is not None:
            refuse_unwritable(out)
        rules = override(read_rules(policy), scenarios, seed, time_limit=time_limit)
        with due(rules.time_limit_seconds):
            holdings, quotes = read_holdings(book, as_of, market.venue), market.read()
            stage("value")
            exposures = expose(holdings, quotes, rules, trades=False, sampled="if known")
            report, accounts = risk_report(exposures), [account_margin(exposures, c) for c in range(len(exposures.accounts))]
            remains, drawn = danger(accounts), sample_words(rules, exposures)
            nothing = np.zeros(exposures.n_candidates)
            sample = exposures.notes[0]  # why there is no tail
            if report.cvar:
                settings = rules.scenarios.model_dump(mode="json")
                sample = sample_sentence(counted_losses(exposures, nothing), drawn, settings, report.unit)
            data = _risk_data(holdings, quotes, rules, exposures, report)
            data = {"headline": {**remains.to_dict(), "sample": sample}, **data}
            if out is not None:
                from hedgeopt.measures.figures import figures
                from hedgeopt.reports.book_pages import risk_page

                stage("draw")
                plotted, head = figures(exposures, nothing) if report.cvar else None, _head(holdings, quotes)
                _write(out, "risk", data, risk_page(head, report, accounts, plotted, drawn, exposures.notes, sample))
    if json:
        print_json(data)
    else:
        from hedgeopt.reports.terminal import danger_frame, risk_report_table

        head_frame = danger_frame(remains, _title(holdings, quotes), [sample])
        print_report(risk_report_table(report, exposures.notes, head=[head_frame], drawn=drawn))
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
    with progress() as stage, within(time_limit):
        from hedgeopt.measures.margin_report import margin_report
        from hedgeopt.program.outside import due
        from hedgeopt.reports.danger import danger
        from hedgeopt.reports.margin import margin_tables

        stage("read")
        if out is not None:
            refuse_unwritable(out)
        rules = override(read_rules(policy), None, None, time_limit=time_limit)
        with due(rules.time_limit_seconds):
            holdings, quotes = read_holdings(book, as_of, market.venue), market.read()
            stage("value")
            report = margin_report(holdings, quotes, rules)
            data = {"headline": danger(report.accounts).to_dict(), **report.to_dict()}
            if out is not None:
                from hedgeopt.reports.book_pages import margin_page

                stage("draw")
                _write(out, "margin", data, margin_page(_head(holdings, quotes), report))
    if json:
        print_json(data)
    else:
        print_report(margin_tables(report, _title(holdings, quotes)))
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


def _title(book: Book, market: Market) -> str:
    return f"{book.name} · {market.timestamp:%Y-%m-%d %H:%M:%S} UTC"


def _write(out: Path, name: str, data: Any, page: str) -> None:
    from hedgeopt.files.writing import write_atomically

    write_atomically({out / f"{name}.json": json_answer(data), out / f"{name}.html": page})


def _say_written(out: Path | None, name: str) -> None:
    if out is not None:
        say(f"wrote {out / f'{name}.json'} and {out / f'{name}.html'}")
        say_without_charts()
