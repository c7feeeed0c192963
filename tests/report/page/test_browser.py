"""The page in a real browser: `pytest -m browser`, which needs Chromium and its driver."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from stored_run import write_run

from pptp_jax.report import write_report

pytestmark = pytest.mark.browser

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
# Of every text that can be seen: its colour and that of whatever lies behind it.
COLOURS = """
const shown = [...document.querySelectorAll('p, li, td, th, dt, dd, summary, svg text')]
  .filter(e => e.getClientRects().length && e.textContent.trim() && !e.matches('.count'));
return shown.map(e => {
  let behind = e;
  const opaque = c => !/, 0\\)$/.test(c) && c !== 'transparent';
  while (behind && !opaque(getComputedStyle(behind).backgroundColor)) behind = behind.parentElement;
  const style = getComputedStyle(e);
  return [e instanceof SVGElement ? style.fill : style.color,
          getComputedStyle(behind ?? document.body).backgroundColor, e.textContent.trim()];
});
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    paths = {name: shutil.which(name) for name in ("chromium", "chromedriver")}
    assert all(paths.values()), f"install Debian's chromium and chromium-driver: {paths}"
    options = webdriver.ChromeOptions()
    options.binary_location = str(paths["chromium"])
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(paths["chromedriver"]))
    driver.set_page_load_timeout(60)
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run") / "out"
    write_run(out, {f"recipe_{i}": i / 4 for i in range(9)}, attacks=25)
    return write_report(out)


def look(browser: Any, report: Path, width: int = 1280, scheme: str = "light") -> None:
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    browser.get(report.as_uri())


def test_table_and_figures_are_seen_without_error_or_network(browser: Any, report: Path) -> None:
    browser.get("about:blank")
    for log in ("browser", "performance"):  # what the browser's own first page has left there
        browser.get_log(log)
    look(browser, report)
    seen = browser.execute_script(
        """
        const box = e => { const r = e.getBoundingClientRect(); return [r.width, r.height]; };
        document.querySelectorAll('details').forEach(e => e.open = true);
        return {
          table: box(document.querySelector('#table ~ .scroll table')),
          rows: document.querySelectorAll('#table ~ .scroll tbody tr').length,
          figures: [...document.querySelectorAll('svg.plot')].map(box),
          lines: [...document.querySelectorAll('polyline')].map(e => e.getTotalLength()),
          pictures: [...document.images].map(e => e.complete && e.naturalWidth),
        };
        """
    )
    assert seen["rows"] == 9 and min(seen["table"]) > 200
    assert len(seen["figures"]) > 10
    assert all(width > 150 and height > 80 for width, height in seen["figures"])
    assert all(length > 50 for length in seen["lines"][-9:])
    assert len(seen["pictures"]) == 90 and set(seen["pictures"]) == {6}
    assert browser.get_log("browser") == []
    told = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    sent = [one["params"]["request"]["url"] for one in told if one["method"].endswith("BeSent")]
    assert sent and all(url.startswith(("file:", "data:")) for url in sent)


@pytest.mark.parametrize("width", [320, 360, 390, 768, 1280])
def test_nothing_sticks_out_sideways(browser: Any, report: Path, width: int) -> None:
    look(browser, report, width)
    wide, room, cut = browser.execute_script(
        """
        document.querySelectorAll('details').forEach(e => e.open = true);
        const inside = e => e.closest('.scroll, pre') || e.closest('svg');
        const out = [...document.querySelectorAll('main *, header *')].filter(
          e => !inside(e) && e.getBoundingClientRect().right > innerWidth + 1);
        const root = document.documentElement;
        return [root.scrollWidth, root.clientWidth, out.map(e => e.outerHTML.slice(0, 80))];
        """
    )
    assert wide == room <= width and cut == []


def test_wide_tables_scroll_in_their_box_beside_a_standing_first_column(
    browser: Any, report: Path
) -> None:
    look(browser, report, 360)
    before, after, room = browser.execute_script(
        """
        const box = document.querySelector('#table ~ .scroll');
        const name = box.querySelector('tbody th');
        const before = name.getBoundingClientRect().left;
        box.scrollLeft = 200;
        return [before, name.getBoundingClientRect().left, box.scrollWidth - box.clientWidth];
        """
    )
    assert room > 200 and after == pytest.approx(before, abs=1)


def test_figures_can_be_read_on_a_phone(browser: Any, report: Path) -> None:
    look(browser, report, 390)
    texts = browser.execute_script(
        """
        document.querySelectorAll('details').forEach(e => e.open = true);
        return [...document.querySelectorAll('svg.plot text:not(.count)')].map(e => {
          const box = e.getBoundingClientRect(), scale = e.getScreenCTM().a;
          const size = scale * parseFloat(getComputedStyle(e).fontSize);
          return [box.left, box.right, size, e.textContent];
        });
        """
    )
    assert len(texts) > 100
    for left, right, size, text in texts:
        assert left >= 0 and right <= 390, text
        assert 10.5 <= size <= 14, (size, text)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_can_be_read_in_light_and_dark(browser: Any, report: Path, scheme: str) -> None:
    look(browser, report, scheme=scheme)
    paper = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert (luminance(paper) < 0.1) == (scheme == "dark")
    texts = browser.execute_script(COLOURS)
    assert len(texts) > 100
    for colour, behind, text in texts:
        light, dark = sorted((luminance(colour), luminance(behind)), reverse=True)
        # What WCAG 2 asks of text; of what is large or unknown (n/a) 3 would do.
        assert (light + 0.05) / (dark + 0.05) > (3 if text == "n/a" else 4.5), (
            colour,
            behind,
            text,
        )


def test_on_paper_it_is_black_on_white_and_nothing_is_cut(browser: Any, report: Path) -> None:
    look(browser, report, width=718, scheme="dark")  # A4 less the margins, and a scroll bar
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    ink, paper, tables = browser.execute_script(
        """
        document.querySelectorAll('details').forEach(e => e.open = true);
        const style = getComputedStyle(document.body);
        const tables = [...document.querySelectorAll('table')];
        return [style.color, style.backgroundColor,
                tables.map(e => [e.offsetWidth, e.parentElement.clientWidth])];
        """
    )
    assert (luminance(ink), luminance(paper)) == (0, 1)
    assert len(tables) > 12
    assert all(width <= room for width, room in tables)


def luminance(colour: str) -> float:
    """Relative luminance of a colour as a browser writes it."""
    numbers = [float(number) for number in re.findall(r"[\d.]+", colour)]
    channels = numbers if colour.startswith("color(srgb") else [n / 255 for n in numbers]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=False))
