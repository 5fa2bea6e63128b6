"""The page as a browser shows it: at the widths of a phone and a screen, light and dark."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.report.chromium import BINARY, Chromium, chromium
from tests.report.run_reports import image_report, text_report
from tests.report.test_page import hostile, many
from textssl.report import RunReport
from textssl.report.html import write_page


pytestmark = [pytest.mark.slow, pytest.mark.skipif(BINARY is None, reason="Chromium is not installed")]

REPORTS = {
    "text": text_report,
    "image": image_report,
    "hostile": lambda: hostile(text_report()),
    "many": many,
    "least": lambda: RunReport(kind="train", title="vat"),
}
# Texts whose contrast with what lies behind them is below that of WCAG 2, level AA.
FAINT = """
(() => {
  const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const rgb = (color) => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const light = (color) => {
    const [r, g, b] = color.slice(0, 3).map((v) => v / 255).map(
      (v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const color = rgb(getComputedStyle(e).backgroundColor);
      if (color[3] === 255) return color;
    }
    return rgb(getComputedStyle(document.documentElement).colorScheme.includes('dark') ? 'white' : 'white');
  };
  const seen = new Set(), found = [];
  for (const element of document.body.querySelectorAll('*')) {
    const own = [...element.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
    if (!own || element.closest('title, desc')) continue;
    const style = getComputedStyle(element);
    const front = element.namespaceURI.includes('svg') ? style.fill : style.color;
    const [a, b] = [light(rgb(front)), light(behind(element))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    seen.add(front + behind(element));
    if (ratio < 4.5) found.push(`${element.tagName} ${element.className} ${ratio.toFixed(2)}`);
  }
  return [seen.size, found];
})()
"""
# Lines and marks of charts, but the grid, that are too faint.
FAINT_MARKS = (
    FAINT.replace(
        "if (!own || element.closest('title, desc')) continue;",
        """
    if (!element.matches('svg path, svg circle, svg line:not(.grid)')) continue;
""",
    )
    .replace(
        "element.namespaceURI.includes('svg') ? style.fill : style.color",
        "style.stroke !== 'none' && !element.matches('.dot, .mean') ? style.stroke : style.fill",
    )
    .replace("ratio < 4.5", "ratio < 3")
)
SCROLLED = """
[...document.querySelectorAll('*')].filter((e) => e.scrollWidth > e.clientWidth + 1
  && getComputedStyle(e).overflowX === 'auto' && e.tabIndex !== 0).map((e) => e.outerHTML.slice(0, 80))
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    with chromium(tmp_path_factory.mktemp("chromium")) as started:
        yield started


@pytest.mark.parametrize("name", REPORTS)
def test_it_fits_is_silent_and_asks_for_nothing(browser: Chromium, tmp_path: Path, name: str) -> None:
    page = write_page(REPORTS[name](), tmp_path)
    for width in (360, 1280):
        browser.show(page, width)
        assert browser.ask("document.documentElement.scrollWidth") <= width
        # With everything unfolded too.
        browser.ask("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
        assert browser.ask("document.documentElement.scrollWidth") <= width
        assert browser.ask(SCROLLED) == []
        assert browser.requests() == [page.as_uri()]
        assert browser.complaints() == []
    assert browser.ask("[typeof hacked, document.scripts.length, document.querySelectorAll('[onerror]').length]") == [
        "undefined",
        0,
        0,
    ]


@pytest.mark.parametrize("dark", [False, True])
def test_texts_and_lines_stand_out(browser: Chromium, tmp_path: Path, dark: bool) -> None:
    browser.show(write_page(text_report(), tmp_path), dark=dark)
    assert browser.ask("getComputedStyle(document.body).backgroundColor") == (
        "rgb(20, 23, 27)" if dark else "rgb(255, 255, 255)"
    )
    different, faint = browser.ask(FAINT)
    assert different > 5
    assert faint == []
    different, faint = browser.ask(FAINT_MARKS)
    assert different > 2
    assert faint == []
    # The judge sees a faint text where there is one.
    browser.ask("document.querySelector('h1 bdi').style.color = '#888888'")
    assert [name.split()[0] for name in browser.ask(FAINT)[1]] == ([] if dark else ["BDI"])


def test_the_keyboard_reaches_everything(browser: Chromium, tmp_path: Path) -> None:
    browser.show(write_page(text_report(), tmp_path))

    def press(key: str, code: int) -> None:
        for kind in ("keyDown", "keyUp"):
            browser.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code)

    press("Tab", 9)
    assert browser.ask("document.activeElement.textContent") == "Skip to the results"
    assert browser.ask("document.activeElement.getBoundingClientRect().left") >= 0
    press("Tab", 9)
    assert browser.ask("document.activeElement.tagName") == "A"
    assert browser.ask("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    reached = set()
    for _ in range(120):
        press("Tab", 9)
        reached.add(browser.ask("document.activeElement.tagName + (document.activeElement.tabIndex === 0)"))
    assert {"SUMMARYtrue", "DIVtrue", "Atrue"} <= reached


def test_a_printed_page_shows_folded_texts_and_no_tables_twice(browser: Chromium, tmp_path: Path) -> None:
    browser.show(write_page(text_report(), tmp_path), dark=True)
    browser.call("Emulation.setEmulatedMedia", media="print")
    assert browser.ask("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert browser.ask("document.querySelector('.long .text').getBoundingClientRect().height") > 0
    assert browser.ask("document.querySelector('.figures').getBoundingClientRect().height") == 0
    assert browser.ask(FAINT)[1] == []


@pytest.mark.parametrize("name", ["text", "image"])
def test_a_screen_reader_hears_a_name_of_all_that_needs_one(browser: Chromium, tmp_path: Path, name: str) -> None:
    browser.show(write_page(REPORTS[name](), tmp_path))
    browser.ask("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    nodes = browser.call("Accessibility.getFullAXTree")["nodes"]
    named = {"image", "region", "link", "table", "navigation", "heading", "columnheader", "rowheader"}
    found: dict[str, int] = {}
    for node in nodes:
        role = node.get("role", {}).get("value")
        if role in named and not node.get("ignored"):
            found[role] = found.get(role, 0) + 1
            assert node.get("name", {}).get("value", "").strip(), node
    assert {"image", "region", "link", "table", "navigation", "heading", "rowheader"} <= set(found)
