"""A proposal's file: nothing is lost in it, every report is drawn from it alone, and older ones open."""

from __future__ import annotations

import dataclasses
import io
import json
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from rich.console import Console

import hedgeopt as ho
from hedgeopt.errors import InputError
from hedgeopt.program import proposal_schema
from hedgeopt.program.proposal_schema import SCHEMA, sealed
from hedgeopt.reports.proposal_csv import proposal_csv
from hedgeopt.reports.terminal import proposal_report

from .proposal_cases import CASES

STORED = Path(__file__).with_name("stored")
FILES = sorted(STORED.glob("*/*.json"))


@pytest.fixture(scope="module")
def solved() -> dict[str, ho.Proposal]:
    """Every case, solved."""
    return {name: ho.propose(*case()) for name, case in CASES.items()}


def shown(proposal: ho.Proposal) -> tuple[str, str, dict[str, str]]:
    """Terminal, page and tables."""
    console = Console(width=110, record=True, file=io.StringIO())
    with np.errstate(all="ignore"):  # sums of infinities and the largest numbers
        console.print(proposal_report(proposal))
        page = proposal.to_html()
    return console.export_text(), page, proposal_csv(proposal)


def differences(one: Any, two: Any, at: str = "proposal") -> Iterator[str]:
    """Where two values are not the same, types, signs of nought and kinds of nothing included; knows nothing of JSON."""
    if type(one) is not type(two):
        yield f"{at}: {type(one).__name__} and {type(two).__name__}"
    elif isinstance(one, pd.DataFrame):
        if list(one.dtypes.items()) != list(two.dtypes.items()) or not one.index.equals(two.index):
            yield f"{at}: columns or rows"
        for name in one.columns:
            yield from differences(one[name].tolist(), two[name].tolist(), f"{at}.{name}")
    elif isinstance(one, np.ndarray):
        if one.dtype != two.dtype or one.tobytes() != two.tobytes():
            yield f"{at}: arrays"
    elif dataclasses.is_dataclass(one):
        for field in dataclasses.fields(one):
            yield from differences(getattr(one, field.name), getattr(two, field.name), f"{at}.{field.name}")
    elif isinstance(one, dict):
        if list(one) != list(two):
            yield f"{at}: keys"
        for key in one.keys() & two.keys():
            yield from differences(one[key], two[key], f"{at}.{key}")
    elif isinstance(one, list | tuple):
        if len(one) != len(two):
            yield f"{at}: lengths"
        for k, (first, second) in enumerate(zip(one, two, strict=False)):
            yield from differences(first, second, f"{at}.{k}")
    elif isinstance(one, float):
        same = (math.isnan(one) and math.isnan(two)) or (one == two and math.copysign(1, one) == math.copysign(1, two))
        if not same:
            yield f"{at}: {one} and {two}"
    elif one != two:
        yield f"{at}: {one} and {two}"


def check(proposal: ho.Proposal) -> ho.Proposal:
    """Through JSON and back: the same values, the same text, the same reports."""
    text = proposal.to_json()
    json.loads(text, parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))
    again = ho.Proposal.from_json(text)
    assert not list(differences(proposal, again))
    assert again == proposal
    assert hash(again) == hash(proposal)
    assert again.to_json() == text
    assert shown(again) == shown(proposal)
    return again


@pytest.mark.parametrize("name", CASES)
def test_nothing_is_lost_and_reports_are_drawn_from_the_file(name: str, solved: dict[str, ho.Proposal]) -> None:
    proposal = solved[name]
    check(proposal)
    assert proposal.created.tzinfo is not None
    assert set(proposal.inputs or ()) == {"book", "market", "policy"}
    assert (proposal.versions or {})["hedgeopt"] == ho.__version__


def test_the_cases_show_every_part(solved: dict[str, ho.Proposal]) -> None:
    network, loan = solved["network"], solved["loan"]
    assert {type(bridge) for bridge in network.transfers["bridge"]} == {str, type(None)}
    assert network.limits["breached_before"].any()
    assert len(loan.before.loans) == 0  # collateral owed is no lending position
    assert loan.margins[0].before.now.health_factor is not None
    assert solved["nothing"].trades.empty
    assert "not_finite" in json.loads(loan.to_json())
    assert json.loads(loan.to_json())["not_finite"]  # an infinite health factor after a liquidation


ODD = st.sampled_from([math.nan, math.inf, -math.inf, -0.0, 0.0, 5e-324, 1e300, 0.1 + 0.2, -12.5])


@settings(max_examples=12, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(data=st.data())
def test_whatever_the_numbers_are(data: st.DataObject) -> None:
    """Any number in any table, margins without a rule, notes in any letters."""
    stored = ho.read_proposal(STORED / "2" / data.draw(st.sampled_from(["network.json", "loan.json"])))
    changed: dict[str, Any] = {}
    for name in ("trades", "transfers", "limits", "objective"):
        table = getattr(stored, name).copy()
        for column in table.select_dtypes("number"):
            table[column] = [data.draw(ODD) for _ in range(len(table))]
        changed[name] = table
    certificate = replace(stored.certificate, lower_bound=data.draw(ODD), worst_violation=data.draw(ODD))
    word = data.draw(st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20))
    account = replace(
        stored.before.accounts[0], initial_margin=data.draw(ODD), net_transaction_delta={"a/b~": data.draw(ODD)}
    )
    before = replace(stored.before, accounts=(account, *stored.before.accounts[1:]), gross_leverage=data.draw(ODD))
    check(
        replace(
            stored,
            **changed,
            certificate=certificate,
            notes=(word,),
            before=before,
            costs=dict.fromkeys(stored.costs, data.draw(ODD)),
        )
    )


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_every_stored_proposal_opens(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    proposal = ho.read_proposal(path)
    told = json.loads(text)
    terminal, page, tables = shown(proposal)
    assert told["book"] in terminal
    assert len(proposal.trades) == len(told["trades"])
    assert proposal.certificate.objective == told["certificate"]["objective"]
    assert tables["limits.csv"].count("\n") == 1 + len(told["limits"])
    version = int(path.parent.name)
    assert told.get("schema", 1) == version
    assert ("Not recorded." in page) == (version == 1)
    assert ("not recorded" in page) == (version == 1)
    if version == SCHEMA:
        assert proposal.to_json() == text
    check(proposal)


def test_there_are_stored_ones_of_every_version() -> None:
    assert {path.parent.name for path in FILES} == {str(version) for version in range(1, SCHEMA + 1)}
    for version in range(1, SCHEMA + 1):
        assert {path.stem for path in FILES if path.parent.name == str(version)} == set(CASES)


def test_an_older_policy_that_is_no_policy_any_more_opens() -> None:
    told = json.loads((STORED / "1" / "network.json").read_text())
    told["policy"] = {"minimise": "everything"}
    proposal = ho.Proposal.from_json(json.dumps(told))
    assert proposal.policy == {"minimise": "everything"}
    assert "policy" in shown(proposal)[0]


def resealed(told: dict[str, Any]) -> str:
    return json.dumps(sealed({name: value for name, value in told.items() if name != "digest"}))


SPOILT: dict[str, tuple[Any, str]] = {
    "a list": (lambda told: [told], "is not a proposal"),
    "a book": (lambda told: told["book_after"], "is not a proposal"),
    "newer": (
        lambda told: {**told, "schema": SCHEMA + 1},
        rf"schema: is a newer version of proposals \(got {SCHEMA + 1}\); read it with a newer",
    ),
    "no version": (lambda told: {**told, "schema": "two"}, "schema: is no version of proposals"),
    "without its number": (
        lambda told: {k: v for k, v in told.items() if k != "schema"},
        "trade_costs: unknown field of a prop",
    ),
    "without trades": (
        lambda told: {k: v for k, v in told.items() if k != "trades"} | {"not_finite": {}},
        "trades: is missing",
    ),
    "a field more": (lambda told: {**told, "more": 1}, "more: unknown field"),
    "a text for a number": (lambda told: put(told, "certificate.gap", "small"), "certificate.gap: must be a number"),
    "a number for a text": (lambda told: put(told, "trades.0.side", 1), r"trades.0.side: must be text \(got 1\)"),
    "null for a number": (lambda told: put(told, "limits.1.bound", None), "limits.1.bound: is null: must be a number"),
    "a column more": (lambda told: put(told, "trades.0.mine", 1), "trades.0.mine: unknown field"),
    "a moment": (lambda told: put(told, "created", "yesterday"), "created: is not a date and time"),
    "no time zone": (lambda told: put(told, "created", "2026-03-02T08:00:00"), "created: has no time zone"),
    "a quantity": (lambda told: put(told, "trades.0.quantity", 7.5), "digest: is not that of the content"),
    "no digest": (lambda told: {k: v for k, v in told.items() if k != "digest"}, "digest: is missing"),
    "a place that is none": (lambda told: put(told, "not_finite", {"/trades/9": "NaN"}), "not_finite: names no null"),
    "not a word": (lambda told: put(told, "not_finite", {"/seed": "nothing"}), "not_finite: names no null"),
    "no places": (lambda told: put(told, "not_finite", None), "not_finite: is missing or no table"),
}


def put(told: Any, place: str, value: Any) -> Any:
    held = told
    *way, last = place.split(".")
    for part in way:
        held = held[int(part) if isinstance(held, list) else part]
    held[last] = value
    return told


@pytest.mark.parametrize("fault", SPOILT)
def test_a_file_that_is_none_is_refused_in_one_line(fault: str, solved: dict[str, ho.Proposal], tmp_path: Path) -> None:
    change, words = SPOILT[fault]
    path = tmp_path / "proposal.json"
    path.write_text(json.dumps(change(json.loads(solved["network"].to_json()))))
    with pytest.raises(InputError, match=words) as caught:
        ho.read_proposal(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
    assert caught.value.fix


@pytest.fixture
def next_schema(monkeypatch: pytest.MonkeyPatch) -> None:
    """A version to come, whose migration takes the form of what it is given for granted."""

    def with_more(data: dict[str, Any], file: object) -> dict[str, Any]:
        told = dict(data)
        for name in ("trades", "transfers", "limits", "objective"):
            told[name] = [{**row, "more": None} for row in data[name]]
        told["limits"] = [{**row, "bound": row["bound"] * 2} for row in told["limits"]]
        told["before"] = {**data["before"], "accounts": [{**one} for one in data["before"]["accounts"]]}
        certificate, policy = {**data["certificate"]}, {**data["policy"]}
        return {**told, "certificate": certificate, "policy": policy, "notes": [*data["notes"]]}

    monkeypatch.setattr(proposal_schema, "SCHEMA", SCHEMA + 1)
    monkeypatch.setitem(proposal_schema._TO_NEXT, SCHEMA, with_more)


OLDER = [json.loads(path.read_text()) for path in FILES if path.stem == "network"]


@pytest.mark.parametrize("told", OLDER, ids=lambda told: f"version {told.get('schema', 1)}")
@pytest.mark.usefixtures("next_schema")
def test_an_older_file_that_is_malformed_is_refused_in_one_line(told: dict[str, Any]) -> None:
    """Whatever is missing or of another kind, and whatever a migration makes of it."""

    def says(data: Any) -> str:
        with pytest.raises(InputError) as caught:
            ho.Proposal.from_json(json.dumps(data), "proposal.json")
        assert str(caught.value).startswith("proposal.json: ")
        assert "\n" not in str(caught.value)
        assert caught.value.fix
        return str(caught.value)

    def without(name: str) -> dict[str, Any]:
        return {key: value for key, value in told.items() if key != name}

    for name in told:
        if name not in ("schema", "digest"):
            says(without(name))
            for odd in (None, 1, "text", [1], [[1]], {"a": 1}, [{"a": 1}], True):
                says({**told, name: odd})
    assert "trades: is missing; " in says(without("trades"))
    assert "trades.0: must be a table of fields (got 1); " in says({**told, "trades": [1]})
    assert "certificate: must be a table of fields; " in says({**told, "certificate": []})
    assert f"is not of version {SCHEMA}: KeyError: 'bound'; " in says({**told, "limits": [{}]})


def test_every_way_to_cut_a_file_short_is_refused(tmp_path: Path) -> None:
    text = (STORED / "2" / "nothing.json").read_text()
    for length in range(0, len(text) - 2, 997):
        with pytest.raises(InputError) as caught:
            ho.Proposal.from_json(text[:length], "proposal.json")
        assert str(caught.value).startswith("proposal.json: ")


def test_the_digest_is_of_the_answer_and_not_of_its_seconds() -> None:
    stored = ho.read_proposal(STORED / "2" / "nothing.json")
    slower = replace(stored, seconds={"solve": 99.0}, statistics={})
    assert json.loads(slower.to_json())["digest"] == json.loads(stored.to_json())["digest"]
    assert json.loads(replace(stored, seed=1).to_json())["digest"] != json.loads(stored.to_json())["digest"]
    ho.Proposal.from_json(resealed(json.loads(slower.to_json())))


def test_what_is_no_plain_data_is_not_written() -> None:
    stored = ho.read_proposal(STORED / "2" / "nothing.json")
    with pytest.raises(TypeError, match="/proof/a: set is no plain data"):
        replace(stored, proof={"a": {1}}).to_json()


def test_the_file_of_many_scenarios_is_small() -> None:
    book, market, policy = CASES["example"]()
    many = policy.model_copy(update={"scenarios": policy.scenarios.model_copy(update={"count": 10_000})})
    assert len(ho.propose(book, market, many).to_json()) < 400_000
