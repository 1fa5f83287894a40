"""The pages in a real browser: every width, light, dark and paper; accessible, secure, and without network."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hedgeopt as ho
from hedgeopt.backtest.results.tear_sheet import pages as tear_sheet
from hedgeopt.cli import main
from hedgeopt.example import example_files
from hedgeopt.reports.proposal_csv import proposal_csv
from tests.backtest.results.conftest import made_up

from .conftest import WIDTHS
from .hostile import CASES, trades

pytestmark = pytest.mark.browser
STORED = Path(__file__).parents[1] / "program" / "stored" / "2"
BEYOND = """(() => {
  const wide = document.documentElement.clientWidth, paper = matchMedia("print").matches;
  const inside = (e) => !paper && e.closest(".wide") && e.closest(".wide") !== e;
  return [...document.querySelectorAll("body *")].filter((e) => !inside(e) && !e.closest("svg, .unseen, textarea")
    && e.getBoundingClientRect().right > wide + 0.5).map((e) => e.outerHTML.slice(0, 120));
})()"""
TEXT = """[...document.querySelectorAll("figure svg")].filter((s) => s.getClientRects().length).map((s) => {
  const scale = s.getBoundingClientRect().width / s.viewBox.baseVal.width;
  return Math.min(...[...s.querySelectorAll("text")].map((t) => scale * parseFloat(getComputedStyle(t).fontSize)));
})"""
LINKS = "[...document.querySelectorAll('nav a')].every((e) => document.querySelector(e.getAttribute('href')))"
COLORS = """(() => {
  const style = getComputedStyle(document.documentElement), probe = document.createElement("canvas").getContext("2d");
  const rgb = (name) => {
    probe.fillStyle = style.getPropertyValue(name).trim(); probe.fillRect(0, 0, 1, 1);
    return [...probe.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const names = "page card ink soft good bad warn after before p0 p1 p2 p3 p4 p5 p6 p7".split(" ");
  return Object.fromEntries(names.map((name) => [name, rgb(`--${name}`)]));
})()"""


@pytest.fixture(scope="session")
def example() -> ho.Proposal:
    return ho.read_proposal(STORED / "example.json")


@pytest.fixture(scope="session")
def network() -> ho.Proposal:
    """With transfers and three accounts."""
    return ho.read_proposal(STORED / "network.json")


@pytest.fixture(scope="session")
def html(example: ho.Proposal) -> str:
    return example.to_html()


def luminance(color: list[int]) -> float:
    """Relative luminance, WCAG 2.2."""
    parts = [c / 255 for c in color]
    r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def contrast(one: list[int], other: list[int]) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def axe(tab: Any) -> list[str]:
    """Violations that axe-core finds, one line each."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(tab).response["violations"]
    return [f"{rule['id']}: {node['html'][:200]}" for rule in found for node in rule["nodes"]]


@pytest.mark.parametrize(("which", "scheme"), [("example", "light"), ("example", "dark"), ("network", "light")])
def test_every_width(which: str, scheme: str, show: Callable[..., Any], screenshots: Path | None, request: Any) -> None:
    with show(request.getfixturevalue(which).to_html(), color_scheme=scheme) as page:
        for width in WIDTHS:
            page.width(width)
            assert page.ask("document.documentElement.scrollWidth") <= width
            assert page.ask(BEYOND) == []
            assert min(page.ask(TEXT)) >= {320: 9.0, 390: 11.0}.get(width, 9.0)
            if screenshots is not None:
                page.tab.screenshot(path=screenshots / f"{which}-{scheme}-{width}.png", full_page=True)
            if width == 390 or (which == "example" and width > 390):
                assert axe(page.tab) == []
        assert page.violations() == []
        assert all(url.startswith("file:") for url in page.requests)
        colors = page.ask(COLORS)
    for name in ("ink", "soft", "good", "bad", "warn", "after"):
        assert min(contrast(colors[name], colors[back]) for back in ("page", "card")) >= 4.5, name
    for name in ("before", "after", *(f"p{k}" for k in range(8))):  # lines and bars
        assert contrast(colors[name], colors["page"]) >= 3.0, name


@pytest.mark.parametrize("case", CASES)
def test_hostile_content(case: str, example: ho.Proposal, show: Callable[..., Any], screenshots: Path | None) -> None:
    proposal = CASES[case](example)
    with show(proposal.to_html()) as page:
        for width in (320, 390, 1440):
            page.width(width)
            assert page.ask(BEYOND) == []
        assert page.tab.title() == " ".join(f"Proposal · {proposal.book}".split())
        assert page.ask("document.querySelectorAll('#trades tbody tr').length") == len(proposal.trades)
        ids = page.ask("[...document.querySelectorAll('[id]')].map((e) => e.id)")
        assert len(ids) == len(set(ids))
        shown = page.tab.inner_text("main")
        for name in proposal.trades["instrument"].unique():
            assert " ".join(name.split()) in " ".join(shown.split())
        cells = page.ask("[...document.querySelectorAll('td')].map((e) => e.textContent.trim())")
        assert not {"-0", "−0", "nan", "inf", "None"} & set(cells)
        if case in ("names", "nothing"):
            page.width(390)
            assert axe(page.tab) == []
        page.tab.emulate_media(media="print")
        page.width(703)
        assert page.ask(BEYOND) == []
        if screenshots is not None:
            page.tab.screenshot(path=screenshots / f"hostile-{case.replace(' ', '-')}-print.png", full_page=True)
        assert page.violations() == []


def test_trades_sort_by_number_and_by_name(html: str, example: ho.Proposal, show: Callable[..., Any]) -> None:
    column = "[...document.querySelectorAll('#trades tbody tr')].map((r) => r.cells[%d].textContent)"
    with show(html) as page:
        before = page.ask(column % 2)
        for name, key in (("cost, USD", "cost"), ("instrument", "instrument")):
            wanted = example.trades.sort_values(key, ascending=key == "instrument", kind="stable")["instrument"].tolist()
            head = page.tab.locator("#trades th", has_text=name)
            head.get_by_role("button").focus()
            page.tab.keyboard.press("Enter")
            assert page.ask(column % 2) == wanted
            assert head.get_attribute("aria-sort") == ("ascending" if key == "instrument" else "descending")
            head.get_by_role("button").click()
            assert page.ask(column % 2) == wanted[::-1]
            assert page.tab.locator("#trades th[aria-sort]").count() == 1
        assert sorted(page.ask(column % 2)) == sorted(before)
        assert page.violations() == []


@pytest.mark.parametrize("clipboard", [True, False])
def test_copy_as_csv(clipboard: bool, html: str, example: ho.Proposal, show: Callable[..., Any]) -> None:
    wanted = proposal_csv(example)["trades.csv"]
    allowed = ["clipboard-read", "clipboard-write"] if clipboard else []
    with show(html, permissions=allowed) as page:
        if not clipboard:  # as in a page that is not trusted with it
            page.ask("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
        page.tab.locator("#trades").get_by_role("button", name="Copy as CSV").click()
        if clipboard:
            # the clipboard answers when it has written, not when the button returns: wait for what the page says
            page.tab.locator("#trades [role=status]", has_text=re.compile("^copied$")).wait_for()
            assert page.ask("navigator.clipboard.readText()") == wanted
        else:
            page.tab.locator("#trades textarea").wait_for()
            assert page.ask("getSelection().toString() || document.activeElement.value") == wanted
            assert page.tab.locator("#trades textarea").is_visible()
        assert page.violations() == []


def test_without_scripts_the_page_is_whole(html: str, example: ho.Proposal, show: Callable[..., Any]) -> None:
    with show(html, java_script_enabled=False) as page:
        assert page.tab.locator("#trades tbody tr").count() == len(example.trades)
        assert page.tab.locator("button:visible").count() == 0


@pytest.mark.parametrize(
    "bad", ["<script>document.title = 'bad'</script>", "<p style='color: red'>x</p>", "<img src='x.png'>"]
)
def test_the_policy_stops_what_is_not_ours(bad: str, html: str, show: Callable[..., Any]) -> None:
    """Were text from a file ever written as it is, it could neither run nor load anything; and the tests would see it."""
    with show(html.replace("</main>", f"{bad}</main>")) as page:
        page.tab.wait_for_function("window.violations.length > 0")
        assert page.violations()
        assert page.tab.title() != "bad"


def test_everything_has_a_name(html: str, show: Callable[..., Any]) -> None:
    with show(html) as page:
        assert page.ask("[...document.querySelectorAll('th')].every((e) => ['col', 'row'].includes(e.scope))")
        assert page.ask("[...document.querySelectorAll('table')].every((e) => e.caption && e.caption.textContent.trim())")
        assert page.ask("[...document.querySelectorAll('svg')].every((e) => e.getAttribute('aria-label').length > 30)")
        assert page.ask(
            "[...document.querySelectorAll('.wide')].every((e) => e.tabIndex === 0 && e.getAttribute('aria-label'))"
        )
        assert page.ask("[...document.querySelectorAll('section')].every((e) => e.id)")
        assert page.ask(LINKS)


def headings(pdf: bytes) -> list[tuple[int, float]]:
    """Page number and height, in points from the page's foot, of every bookmark: Chromium makes one per heading."""
    pages = re.findall(rb"(\d+) 0 obj\s*<</Type /Page\b", pdf)
    order = {number: at for at, number in enumerate(pages)}
    found = re.findall(rb"/Dest \[(\d+) 0 R /XYZ [-\d.]+ ([-\d.]+)", pdf)
    return [(order[number], float(y)) for number, y in found]


@pytest.mark.parametrize("count", [1, 9, 14, 200])
def test_paper(count: int, example: ho.Proposal, show: Callable[..., Any], screenshots: Path | None) -> None:
    with show(trades(example, count).to_html()) as page:
        pdf = page.tab.pdf(prefer_css_page_size=True, outline=True, tagged=True)
        page.tab.emulate_media(media="print")
        page.width(703)
        assert page.ask(BEYOND) == []
        assert min(page.ask(TEXT)) >= 8.5  # CSS pixels of 1/96 inch: 6.4 points
        colors = page.ask(COLORS)
    assert all(contrast(colors[name], colors["page"]) >= 4.5 for name in ("ink", "soft", "good", "bad", "warn", "before"))
    assert re.search(rb"/MediaBox \[0 0 59[45][.\d]* 84[12]", pdf), "A4"
    places = headings(pdf)
    assert len(places) >= 10
    foot = 16 / 25.4 * 72
    for at, height in places:
        assert height > foot + 40.0, f"a heading at the foot of page {at + 1} of {count} trades"
    if screenshots is not None:
        (screenshots / f"print-{count}.pdf").write_bytes(pdf)


@pytest.fixture(scope="session")
def of_books(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The pages of ``risk --out`` and ``margin --out`` for the packaged example."""
    folder = tmp_path_factory.mktemp("books")
    for name, text in example_files().items():
        (folder / name).write_text(text)
    pages = {}
    for command in ("risk", "margin"):
        files = [f"--book={folder}/book.json", f"--market={folder}/market.csv", f"--out={folder}", "--json"]
        assert main([command, *files]) == 0
        pages[command] = (folder / f"{command}.html").read_text(encoding="utf-8")
    return pages


@pytest.mark.parametrize("command", ["risk", "margin"])
def test_pages_of_a_book(command: str, of_books: dict[str, str], show: Callable[..., Any], screenshots: Path | None) -> None:
    with show(of_books[command]) as page:
        for width in WIDTHS:
            page.width(width)
            assert page.ask(BEYOND) == []
            if screenshots is not None:
                page.tab.screenshot(path=screenshots / f"{command}-{width}.png", full_page=True)
        page.width(390)
        assert axe(page.tab) == []
        assert page.ask(LINKS)
        page.tab.emulate_media(media="print")
        page.width(703)
        assert page.ask(BEYOND) == []
        assert page.violations() == []


def test_pages_of_a_backtest(tmp_path: Path, show: Callable[..., Any], screenshots: Path | None) -> None:
    pnl = np.random.default_rng(1).normal(0, 9000, 60)
    pages = tear_sheet([made_up(pnl, "nothing"), made_up(0.4 * pnl, "<band> & co")], tmp_path / "out")[0]
    texts = {path.name: text for path, text in pages.items() if path.suffix == ".html"}
    assert len(texts) >= 2
    for name, text in list(texts.items())[:2]:
        with show(text) as page:
            for width in (320, 390, 1440):
                page.width(width)
                assert page.ask(BEYOND) == []
            if screenshots is not None:
                page.tab.screenshot(path=screenshots / f"backtest-{name}.png", full_page=True)
            page.width(390)
            assert axe(page.tab) == []
            assert min(page.ask(TEXT)) >= 10.0  # these charts scroll sideways within their frame
            page.tab.emulate_media(media="print")
            page.width(703)
            assert page.ask(BEYOND) == []
            assert page.violations() == []
