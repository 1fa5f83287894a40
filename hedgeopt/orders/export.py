"""Orders of a plan as lines of a venue, as CSV, and as a workbook: the same plan gives the same bytes."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Collection
from datetime import datetime

import numpy as np
import pandas as pd

from hedgeopt._extras import require_extra
from hedgeopt.errors import InputError
from hedgeopt.files.calls import strict_call
from hedgeopt.files.counted import many
from hedgeopt.files.names import require_known
from hedgeopt.inputs.book import Book
from hedgeopt.inputs.market import Market
from hedgeopt.orders.fit_to_send import refuse_unfit
from hedgeopt.orders.plan import ExecutionPlan
from hedgeopt.orders.send import FORMS_OF_ORDERS, SentOrder, order_line
from hedgeopt.program.proposal import Proposal

__all__ = ["export_orders", "left_out", "orders_csv", "orders_excel", "orders_table"]

_FIRST_DAY = (1980, 1, 1, 0, 0, 0)


@strict_call
def export_orders(
    proposal: Proposal,
    plan: ExecutionPlan,
    book: Book,
    market: Market,
    form: str,
    *,
    allow: Collection[str] = (),
    now: datetime | None = None,
    max_age_seconds: float | None = None,
    rests: bool = False,
) -> list[str]:
    """The plan's orders in the words of a venue, one line of JSON each, in the order in which they are to be sent.

    Transfers are no orders, and legs at other venues are left out (:func:`left_out` names them); ``ccxt`` takes all.

    Parameters
    ----------
    form
        deribit, okx, bybit, derive, hyperliquid or ccxt; see :mod:`hedgeopt.orders.send`.
    allow
        What is refused otherwise: ``stale``, ``uncertified``, ``ideal``, ``breaks``.
    now, max_age_seconds
        Moment of sending, default the clock's, and the oldest market, default the policy's.
    rests
        Whether what is not filled at once stays in the book.

    Raises
    ------
    InputError
        For a proposal that is not fit to send, and an order that the form cannot say.
    """
    require_known([form], FORMS_OF_ORDERS, "form of orders", file=None, field="orders")
    refuse_unfit(proposal, plan, book, market, allow=allow, now=now, max_age_seconds=max_age_seconds)
    orders = _orders(plan, market, rests)
    wanted = [order for order in orders if form in ("ccxt", order.item.venue)]
    lines = [order_line(order, form) for order in wanted]
    if orders and not lines:
        venues = sorted({order.item.venue for order in orders})
        forms = [venue if venue in FORMS_OF_ORDERS else "ccxt" for venue in venues]
        said = " or ".join(f"--orders {one}" for one in dict.fromkeys(forms))
        raise InputError(
            "trades nothing there", field="orders", value=form, fix=f"its trades are at {', '.join(venues)}: {said}"
        )
    return lines


def left_out(plan: ExecutionPlan, form: str) -> list[str]:
    """A sentence for everything in a plan that is no line of this form: transfers, and trades at other venues."""
    found = []
    moves = plan.legs[plan.legs["side"] == "send"]
    if len(moves):
        told = ", ".join(
            f"{q:g} {unit} {name}"
            for q, unit, name in zip(moves["quantity"], moves["unit"], moves["instrument"], strict=True)
        )
        found.append(f"{many(len(moves), 'transfer')} first, which no order says: {told}")
    others = plan.legs[(plan.legs["side"] != "send") & (plan.legs["venue"] != form)]
    if form != "ccxt" and len(others):
        found.append(f"{many(len(others), 'trade')} at {', '.join(sorted(set(others['venue'])))} left out")
    return found


def _orders(plan: ExecutionPlan, market: Market, rests: bool) -> list[SentOrder]:
    assert plan.listed is not None
    items = {(one.account, one.instrument): one.item for one in plan.listed.legs}
    found = []
    for row in plan.pieces.to_dict("records"):
        leg = plan.legs.iloc[int(row["leg"]) - 1]
        if leg["side"] == "send":
            continue
        item = items[leg["account"], leg["instrument"]]
        size = float(market.quoted("contract_size", [item.id])[0])
        found.append(
            SentOrder(
                client_id=str(row["client_id"]),
                account=str(leg["account"]),
                item=item,
                side=str(leg["side"]),
                quantity=float(row["quantity"]),
                price=float(leg["limit_price"]),
                reduce_only=bool(leg["reduce_only"]),
                contract=size if size > 0.0 else None,
                rests=rests,
            )
        )
    return found


def orders_table(plan: ExecutionPlan) -> pd.DataFrame:
    """One row per piece, transfers included: what is sent, where, when, at which limit."""
    legs = plan.legs.iloc[plan.pieces["leg"].to_numpy(int) - 1].reset_index(drop=True)
    table = pd.DataFrame({"piece": plan.pieces["piece"].astype(int), "minutes": plan.pieces["minutes"]})
    for name in ("account", "venue", "instrument", "side"):
        table[name] = legs[name]
    table["quantity"] = plan.pieces["quantity"]
    for name in ("unit", "limit_price", "reduce_only", "wait_hours"):
        table[name] = legs[name]
    table["client_id"] = plan.pieces["client_id"]
    return table


def orders_csv(plan: ExecutionPlan) -> str:
    """:func:`orders_table` as CSV, numbers with every digit."""
    return str(orders_table(plan).to_csv(index=False, lineterminator="\n"))


def orders_excel(plan: ExecutionPlan) -> bytes:
    """:func:`orders_table` and the legs as a workbook, which has the same bytes for the same plan."""
    require_extra("openpyxl", "writing Excel", field="excel")
    import openpyxl
    from openpyxl.styles import Font

    book = openpyxl.Workbook()
    book.remove(book.active)
    for title, table in (("orders", orders_table(plan)), ("legs", plan.legs), ("states", plan.states)):
        sheet = book.create_sheet(title)
        sheet.append(list(table.columns))
        for cell in sheet[1]:
            cell.font = Font(bold=True)
        for row in table.itertuples(index=False):
            sheet.append([_cell(value) for value in row])
        sheet.freeze_panes = "A2"
    moment = plan.created.replace(tzinfo=None)
    book.properties.created = book.properties.modified = moment
    book.properties.creator = "hedgeopt"
    written = io.BytesIO()
    book.save(written)
    return _without_clock(written.getvalue(), moment)


def _cell(value: object) -> object:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not np.isfinite(value):
        return None
    # text that a spreadsheet would take for a formula is text
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@") else value


def _without_clock(data: bytes, moment: datetime) -> bytes:
    """The workbook with one date on all of its parts, and no moment of saving."""
    out = io.BytesIO()
    stamp = moment.strftime("%Y-%m-%dT%H:%M:%SZ").encode()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for name in sorted(old.namelist()):
            content = old.read(name)
            if name == "docProps/core.xml":
                content = re.sub(rb"(<dcterms:modified[^>]*>)[^<]*", rb"\g<1>" + stamp, content)
            new.writestr(zipfile.ZipInfo(name, _FIRST_DAY), content, zipfile.ZIP_DEFLATED)
    return out.getvalue()
