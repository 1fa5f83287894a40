"""Campaigns: every result is of full size and free of what must not occur, and a sample of it occurs again here."""

from __future__ import annotations

import pytest

from benchmarks.campaign.registry import ENTRIES, Entry, load, outcomes, source_digest
from benchmarks.campaign.store import RESULTS, again, faults, outcome_of, read, result

KNOWN = load()


def test_results_are_whole_and_free_of_what_must_not_occur():
    for entry in KNOWN.values():
        told = read(entry)
        if told is None:  # not run yet: --status says so
            continue
        assert faults(entry, told) == []
        assert told["cases"] == sum(told["outcomes"].values())
        assert all(outcome_of(told, number) in told["outcomes"] for number in entry.numbers())


@pytest.mark.parametrize("name", KNOWN)
def test_a_sample_occurs_again(name):
    entry, told = KNOWN[name], read(KNOWN[name])
    found = dict(zip(entry.numbers(), outcomes(entry, entry.numbers()), strict=True))
    assert not [number for number, outcome in found.items() if entry.forbidden(outcome)], found
    if told is not None and entry.repeatable:
        assert found == {number: outcome_of(told, number) for number in found}


def test_no_result_without_its_entry():
    assert {path.stem for path in RESULTS.glob("*.json")} <= set(KNOWN)


@pytest.fixture
def entry(monkeypatch) -> Entry:
    def case(number: int) -> str:
        if number == 7:
            raise ValueError
        return "odd" if number % 2 else "even"

    made = Entry("toy", "toy", case, 10, 3, ("odd",), ("benchmarks/campaign/store.py",))
    monkeypatch.setitem(ENTRIES, "toy", made)
    return made


def test_a_result_says_what_each_case_did_and_what_must_not_be(entry):
    found = outcomes(entry, range(10))
    told = result(entry, found, 1.0)
    assert [outcome_of(told, number) for number in range(10)] == found
    assert told["outcomes"] == {"even": 5, "odd": 4, "raised ValueError": 1}
    assert faults(entry, told) == ["4 of 10 cases odd", "1 of 10 cases raised ValueError"]
    assert entry.numbers() == [0, 3, 6]
    assert faults(entry, result(entry, ["even"], 1.0)) == ["only 1 of 10 cases"]


def test_cases_that_were_run_again_are_named(entry):
    told = result(entry, outcomes(entry, range(10)), 1.0)
    mended = again(entry, told, {7: "odd", 1: "even"})
    assert outcome_of(mended, 1) == "even"
    assert mended["outcomes"] == {"even": 6, "odd": 4}
    assert faults(entry, mended) == ["4 of 10 cases odd"]
    assert mended["ended"] == told["ended"]
    assert mended["again"][0]["cases"] == {"7": "odd", "1": "even"}


def test_the_digest_is_of_the_sources(entry, monkeypatch, tmp_path):
    import benchmarks.campaign.registry as registry

    monkeypatch.setattr(registry, "ROOT", tmp_path)
    source = tmp_path / "benchmarks" / "campaign" / "store.py"
    source.parent.mkdir(parents=True)
    digests = []
    for text in ("a = 1", "a = 2", "a = 1"):
        source.write_text(text)
        digests.append(source_digest(entry))
    assert digests[0] == digests[2] != digests[1]
    source.unlink()
    with pytest.raises(FileNotFoundError):
        source_digest(entry)
