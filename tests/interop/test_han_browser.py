"""The pages of the house in a real browser: each width, language and scheme; by keyboard; checked by axe-core."""

import axe
import browser
import han_pages
import pytest

pytestmark = pytest.mark.skipif(
    browser.CHROMIUM is None, reason="THE PAGES WERE NOT TESTED IN A BROWSER: no chromium (Debian package chromium)"
)

DAY = "/energy?day=2026-04-01"
PAGES = ("/", DAY, "/energy?range=week", "/energy?range=month&day=2026-03-15", "/energy?range=year", "/values",
         "/contracts", "/contracts/day-night", "/deliveries", "/log", "/gateway", "/exports", "/logout",
         "/technician/", "/technician/meters", "/technician/network", "/technician/log")  # fmt: skip
PLOT = "document.getElementById('plot')"
STOPS = 'a[href], button, select, input:not([type=hidden]), [tabindex="0"]'
HERE = """document.activeElement === document.body ? 0
    : [...document.querySelectorAll('*')].indexOf(document.activeElement)"""
WAYS = [(1280, False, "en"), (1280, True, "de"), (390, False, "de"), (390, True, "en")]
IDS = ["wide-light-en", "wide-dark-de", "phone-light-de", "phone-dark-en"]


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    state = tmp_path_factory.mktemp("han")
    han_pages.make(state)
    with han_pages.serving(state) as address:
        yield address


@pytest.fixture(scope="module")
def chromium():
    with browser.running() as running:
        yield running


def visit(page, base, path, language="en"):
    page.open(f"{base}{path}{'&' if '?' in path else '?'}language={language}")
    if path == DAY:
        page.wait(f"{PLOT}.dataset.ready === 'yes'")


@pytest.mark.parametrize(("width", "dark", "language"), WAYS, ids=IDS)
def test_every_page_fits_its_screen_and_has_no_fault_in_the_console(chromium, base, width, dark, language):
    page = chromium.page(width, dark=dark, phone=width < 500)
    for path in PAGES:
        visit(page, base, path, language)
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert (path, wide) == (path, 0)
    assert page.faults == []


@pytest.mark.parametrize(("width", "dark", "language"), WAYS[::3], ids=IDS[::3])
def test_axe_finds_nothing_serious(chromium, base, width, dark, language):
    script = axe.source()
    page = chromium.page(width, dark=dark, phone=width < 500)
    found = {}
    for path in (*PAGES, "/nothing"):
        visit(page, base, path, language)
        found[path] = axe.serious(page, script)
    assert {path: faults for path, faults in found.items() if faults} == {}


def test_the_keyboard_reaches_every_link_and_field_in_order_and_the_first_one_skips_to_the_content(chromium, base):
    page = chromium.page()
    for path in PAGES:
        visit(page, base, path)
        wanted = page.evaluate(f"[...document.querySelectorAll('{STOPS}')].length")
        page.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        first = page.evaluate(HERE)
        places = [first]
        for _ in range(wanted * 5):  # a field for a date has several stops
            page.press("Tab")
            here = page.evaluate(HERE)
            if not here or here == first:
                break
            if here != places[-1]:
                places.append(here)
        assert (path, len(places)) == (path, wanted)
        assert places == sorted(places)


def test_without_javascript_bars_and_tables_are_there_and_the_plot_says_what_it_needs(chromium, base):
    page = chromium.page(scripts=False)
    page.open(base + DAY)
    text = page.evaluate("document.querySelector('main').innerText")
    assert "The plot needs JavaScript" in text
    assert (
        page.evaluate("document.querySelectorAll('svg.wide rect.import').length") == 24 - 2
    )  # of the hours of the gap
    assert page.evaluate("document.querySelectorAll('tbody tr').length") > 24


def test_the_plot_keeps_the_gap_and_can_be_moved_by_keys(chromium, base):
    page = chromium.page()
    visit(page, base, DAY)
    assert page.evaluate(f"{PLOT}.plot.data[1].filter((one) => one === null).length") == 13
    before = page.evaluate(f"{PLOT}.plot.scales.x.max - {PLOT}.plot.scales.x.min")
    page.evaluate(f"{PLOT}.focus()")
    page.press("+", "+")
    page.wait(f"{PLOT}.plot.scales.x.max - {PLOT}.plot.scales.x.min < {before}")


def test_live_figures_change_without_a_reload(chromium, base):
    page = chromium.page()
    visit(page, base, "/")
    page.evaluate("document.querySelector('[data-live=\"house power\"]').textContent = '?'")
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    page.wait("document.querySelector('[data-live=\"house power\"]').textContent === '-1480'")


def test_the_language_that_was_chosen_stays(chromium, base):
    page = chromium.page()
    visit(page, base, "/", "de")
    page.open(base + "/gateway")
    # The cookie is for TLS alone, and a browser takes loopback for as good.
    assert page.evaluate("document.documentElement.lang") == "de"
