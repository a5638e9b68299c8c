"""The head-end's pages in a real browser: gaps as gaps, right about summer time, usable by keyboard and phone."""

import browser
import emp_process
import emp_year
import pytest
from emp_process import DEVICE, GATEWAY, STORE, content, row
from emp_year import us
from smgw.cosem.data import Data, DataType
from smgw.cosem.device_id import DeviceId
from smgw.cosem.evaluation_facts import FACTS, EvaluationFacts
from smgw.cosem.obis import Obis
from smgw.cosem.status_word import StatusWord
from smgw.cosemxml.document import Document, Register, Row

pytestmark = pytest.mark.skipif(
    browser.CHROMIUM is None, reason="THE PAGES WERE NOT TESTED IN A BROWSER: no chromium (Debian package chromium)"
)

SECRET = "correct horse"
DEVICE_PAGE = f"/devices/{DEVICE.uri}?month=2025-03"
REGISTER = f"/devices/{DEVICE.uri}/registers/3-0100010800ff"
POWER = f"/devices/{DEVICE.uri}/registers/3-0100100700ff"
SPRING, AUTUMN = "?day=2025-03-30", "?day=2025-10-26"
BILLS = "/bills?period=all"
PAGES = ("/", BILLS, DEVICE_PAGE, f"/devices/{DEVICE.uri}/rows", REGISTER + SPRING, POWER + SPRING + "&range=week")
PLOT = "document.getElementById('plot')"


@pytest.fixture(scope="module")
def emp(tmp_path_factory):
    database = tmp_path_factory.mktemp("emp") / "emp.db"
    emp_year.fill(database)
    with emp_process.running(database) as running:
        running.put(evaluation())
        yield running


def evaluation() -> Document:
    """Two billing periods of a tariff with two steps; some energy is in the error register, and some in no bill."""
    facts = EvaluationFacts("day-night", "DE0001234567890000000000000001234", "Europe/Berlin", 1).reading().value
    times = (us(2025, 1, 1), us(2025, 1, 31), us(2025, 2, 2), us(2025, 3, 1))
    amounts = (
        (32831421, 0, 0, 0),
        (32841421, 6000, 4000, 0),
        (32841621, 6000, 4000, 200),
        (32851621, 9000, 9000, 2200),
    )
    rows = [
        Row(number, at_us, at_us, True, StatusWord(5, 0), (*(Data(DataType.LONG64, one) for one in several), facts))
        for number, (at_us, several) in enumerate(zip(times, amounts, strict=True), 900_000)
    ]
    codes = ("1-0:1.8.0*255", "1-0:1.8.1*255", "1-0:1.8.2*255", "1-0:1.8.63*255")
    registers = (*(Register(Obis.parse(code), -1, 30) for code in codes), Register(FACTS.obis, 0, 255, FACTS.class_id))
    return Document(GATEWAY, STORE, DeviceId.evaluation(2, bytes(20)), registers, tuple(rows))


@pytest.fixture(scope="module")
def chromium():
    with browser.running() as running:
        yield running


def opened(chromium, emp, path, **how):
    page = chromium.page(**how)
    page.open(f"http://127.0.0.1:{emp.people}{path}")
    if "/registers/" in path and how.get("scripts", True):
        page.wait(f"{PLOT}.dataset.ready === 'yes'")
    return page


def table(page):
    return page.evaluate("[...document.querySelectorAll('.values tbody tr')].map(r => r.innerText.split('\\t'))")


@pytest.mark.parametrize("path", PAGES)
def test_no_page_has_a_fault_in_the_console(chromium, emp, path, tmp_path):
    page = opened(chromium, emp, path)
    assert page.faults == []
    page.screenshot(tmp_path / "page.png")
    assert (tmp_path / "page.png").stat().st_size > 10_000


def test_a_curve_is_drawn_and_described(chromium, emp):
    page = opened(chromium, emp, REGISTER + SPRING)
    canvas = f"{PLOT}.querySelector('canvas')"
    assert page.evaluate(f"{canvas}.getAttribute('role')") == "img"
    label = page.evaluate(f"{canvas}.getAttribute('aria-label')")
    assert label.startswith("Curve of 1-0:1.8.0*255 (energy, import), Sunday, 2025-03-30.")
    assert page.evaluate("document.querySelectorAll('.values tbody tr').length") == 92


def test_cosem_xml_is_shown_as_a_tree(chromium, emp):
    page = opened(chromium, emp, f"/cosem/ldevs/{DEVICE.uri}/objects/3-0100010800ff")
    assert page.faults == []
    header = "getComputedStyle(document.querySelector('.header'))"
    assert page.evaluate(f"{header}.borderBottomStyle") == "solid"
    assert page.evaluate("document.querySelectorAll('.folder').length") > 0


def test_the_legend_names_a_clock_only_where_it_was_not_valid(chromium, emp):
    page = opened(chromium, emp, POWER + SPRING)
    told = []
    for moment in (emp_year.DOUBTFUL[1], emp_year.DOUBTFUL[1] - 4 * emp_year.QUARTER_HOUR_US * 2):
        place = f"{PLOT}.plot.valToPos({moment // 1_000_000}, 'x')"
        page.evaluate(f"{PLOT}.plot.setCursor({{left: {place}, top: 10}})")
        told.append(page.evaluate(f"[...{PLOT}.querySelectorAll('.u-value')].map(e => e.innerText)")[2])
    assert [told[0].endswith(" W"), told[1]] == [True, "–"]


def test_an_error_page_is_a_page(chromium, emp):
    page = opened(chromium, emp, "/devices/1abc0000000001.sm")
    assert page.evaluate("document.querySelector('h1').innerText") == "This is not here"
    assert page.evaluate("document.querySelector('header.bar a').getAttribute('href')") == "/"


def ink(page, seconds):
    """How many pixels of the column at a time have the curve's colour."""
    return page.evaluate(
        f"""(() => {{
          const plot = {PLOT}.plot, x = Math.round(plot.valToPos({seconds}, 'x', true));
          const line = document.createElement('canvas').getContext('2d');
          line.fillStyle = getComputedStyle(document.documentElement).getPropertyValue('--accent').trim();
          const want = [1, 3, 5].map(at => parseInt(line.fillStyle.slice(at, at + 2), 16));
          const found = plot.ctx.getImageData(x, plot.bbox.top, 1, plot.bbox.height).data;
          let count = 0;
          for (let at = 0; at < found.length; at += 4)
            count += want.every((part, index) => Math.abs(part - found[at + index]) < 40) ? 1 : 0;
          return count;
        }})()"""
    )


def test_a_gap_is_a_gap_in_the_drawing(chromium, emp):
    page = opened(chromium, emp, REGISTER + SPRING)
    gap = emp_year.TOLD[2] // 1_000_000
    assert page.evaluate(f"{PLOT}.plot.data[1][{PLOT}.plot.data[0].indexOf({gap})]") is None
    assert ink(page, gap) == 0
    assert ink(page, gap - 3 * 3600) > 0
    assert ink(page, gap + 3 * 3600) > 0


@pytest.mark.parametrize(("day", "count", "twice"), [(SPRING, 92, 0), ("?day=2025-03-20", 96, 0), (AUTUMN, 100, 4)])
def test_a_day_has_its_own_number_of_quarter_hours(chromium, emp, day, count, twice):
    # The browser's own zone is New York; days are Berlin's.
    page = opened(chromium, emp, POWER + day)
    times = [line[0] for line in table(page)]
    assert len(times) == len(set(times)) == count
    assert page.evaluate(f"{PLOT}.plot.data[0].length") == count
    assert times[0].endswith("00:00:00 CET" if day != AUTUMN else "00:00:00 CEST")
    assert len([at for at in times if at[11:13] == "02"]) == (8 if twice else 0 if day == SPRING else 4)
    hours = page.evaluate(f"({PLOT}.plot.scales.x.max - {PLOT}.plot.scales.x.min) / 3600")
    assert hours == count / 4


def test_the_plot_names_times_in_the_zone_of_the_page(chromium, emp):
    page = opened(chromium, emp, POWER + SPRING)
    page.evaluate(f"{PLOT}.plot.setCursor({{left: {PLOT}.plot.valToPos(1743296400, 'x'), top: 10}})")
    told = page.evaluate(f"{PLOT}.querySelector('.u-legend').innerText")
    assert "2025-03-30 03:00:00" in told  # 01:00 UTC, the first moment of summer time
    assert " W" in told


def span(page):
    return page.evaluate(f"{PLOT}.plot.scales.x.max - {PLOT}.plot.scales.x.min")


def test_zoom_by_keyboard_by_button_and_by_mouse(chromium, emp):
    page = opened(chromium, emp, REGISTER + SPRING)
    whole = span(page)
    page.evaluate(f"{PLOT}.focus()")
    page.press("+", "+")
    page.wait(f"{PLOT}.plot.scales.x.max - {PLOT}.plot.scales.x.min <= {whole / 2 + 1}")
    page.press("ArrowRight")
    page.press("0", "0")
    page.wait(f"{PLOT}.plot.scales.x.max - {PLOT}.plot.scales.x.min === {whole}")
    page.evaluate("[...document.querySelectorAll('.zoom button')].find(b => b.textContent === 'Zoom in').click()")
    page.wait(f"{PLOT}.plot.scales.x.max - {PLOT}.plot.scales.x.min < {whole}")
    page.press("0", "0")
    page.evaluate(f"{PLOT}.plot.setScale('x', {{min: {PLOT}.plot.data[0][0], max: {PLOT}.plot.data[0][91]}})")
    box = page.evaluate(f"(r => [r.left, r.top, r.width])({PLOT}.querySelector('.u-over').getBoundingClientRect())")
    left, top, width = box
    for kind, x in (("mousePressed", 0.4), ("mouseMoved", 0.5), ("mouseReleased", 0.6)):
        page.send("Input.dispatchMouseEvent", type=kind, x=left + x * width, y=top + 50, button="left", clickCount=1)
    page.wait(f"{PLOT}.plot.scales.x.max - {PLOT}.plot.scales.x.min < {whole / 3}")


def test_everything_is_reached_by_tab_and_the_skip_link_is_first(chromium, emp):
    page = opened(chromium, emp, REGISTER + SPRING)
    page.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    reached = []
    for _ in range(60):
        page.press("Tab")
        reached.append(page.evaluate("document.activeElement.textContent.trim().slice(0, 20)"))
    assert {"Week", "Readings", "Show", "CSV", "← Before", "Zoom in"} <= set(reached)


def test_a_day_is_chosen_by_keyboard(chromium, emp):
    page = opened(chromium, emp, REGISTER + SPRING)
    page.evaluate("document.getElementById('day').value = '2025-03-12'; document.querySelector('.jump button').focus()")
    page.press("Enter", "\r")
    page.wait("location.search.includes('day=2025-03-12') && document.getElementById('plot')?.dataset.ready === 'yes'")
    assert "2025-03-12" in page.evaluate("document.getElementById('curve').textContent")


@pytest.mark.parametrize("path", PAGES)
def test_without_scripts_all_but_the_plot_is_there(chromium, emp, path):
    page = opened(chromium, emp, path, scripts=False)
    text = page.evaluate("document.body.innerText")
    assert ("day-night" if path == BILLS else str(DEVICE)) in text
    if "/registers/" in path:
        assert "The plot needs JavaScript" in text
        assert page.evaluate("document.querySelectorAll('.values tbody tr').length") >= 92


@pytest.mark.parametrize("path", PAGES)
def test_a_phone_shows_every_page_without_scrolling_sideways(chromium, emp, path):
    page = opened(chromium, emp, path, width=360, height=740, phone=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


CONTRAST = """(() => {
  const parts = text => text.match(/[\\d.]+/g).map(Number);
  const linear = v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => [r, g, b].map(v => linear(v / 255))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const back = e => { for (; e; e = e.parentElement) { const c = parts(getComputedStyle(e).backgroundColor);
    if (c.length < 4 || c[3] > 0.99) return c; } return parts(getComputedStyle(document.body).backgroundColor); };
  const worst = [99, ""];
  for (const e of document.querySelectorAll("main *, footer *, header *")) {
    const speaks = [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
    if (!speaks || e.closest("noscript, .hidden")) continue;
    const [a, b] = [light(parts(getComputedStyle(e).color)), light(back(e))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < worst[0]) { worst[0] = ratio; worst[1] = e.outerHTML.slice(0, 120); }
  }
  return worst;
})()"""


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("path", PAGES)
def test_text_is_readable_in_light_and_in_dark(chromium, emp, path, dark):
    page = opened(chromium, emp, path, dark=dark)
    background = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)")
    assert (max(background) < 80) is dark
    ratio, where = page.evaluate(CONTRAST)
    assert ratio >= 4.5, where  # WCAG 2, AA


def test_the_plot_follows_a_change_from_light_to_dark(chromium, emp):
    page = opened(chromium, emp, POWER + SPRING)
    page.evaluate(f"{PLOT}.querySelector('canvas').id = 'old'")
    page.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark"}])
    page.wait("!document.getElementById('old') && document.querySelector('#plot canvas')")
    assert page.evaluate(f"{PLOT}.querySelectorAll('canvas').length") == 1


def test_live_values_without_a_grid_are_drawn_too(chromium, tmp_path):
    with emp_process.running(tmp_path / "emp.db") as emp:
        emp.put(content(*[row(n, 100 + n) for n in (*range(1, 60), *range(600, 700))]))
        page = opened(chromium, emp, REGISTER)
        values = page.evaluate(f"{PLOT}.plot.data[1]")
        assert (len(values), values.count(None)) == (160, 1)
        assert 600 < span(page) < 1000  # they are near each other, and so the plot begins with them
        assert page.faults == []


def test_with_a_password_in_the_address_the_curve_comes_too(chromium, tmp_path):
    from emp.web import password

    password.write(tmp_path / "emp.password", SECRET)
    with emp_process.running(tmp_path / "emp.db", "--password", str(tmp_path / "emp.password")) as emp:
        emp.put(content(*[row(n, 100 + n) for n in range(1, 60)]))
        page = chromium.page()
        page.open(f"http://me:{SECRET.replace(' ', '%20')}@127.0.0.1:{emp.people}{REGISTER}")
        page.wait(f"{PLOT}.dataset.ready === 'yes'")


def test_what_a_meter_says_runs_no_script(chromium, tmp_path):
    from smgw.cosem.data import Data, DataType
    from smgw.cosem.obis import Obis
    from smgw.cosemxml.document import Register

    evil = Data(DataType.VISIBLE_STRING, "<img src=x onerror='window.evil=1'><script>window.evil=1</script>")
    register = Register(Obis.parse("0-0:96.1.0*255"), 0, 255, 1)
    with emp_process.running(tmp_path / "emp.db") as emp:
        emp.put(content(row(1)._replace(values=(evil,)), registers=(register,)))
        for path in ("/", f"/devices/{DEVICE.uri}", f"/devices/{DEVICE.uri}/registers/1-0000600100ff"):
            page = opened(chromium, emp, path)
            assert page.evaluate("window.evil === undefined")
            assert page.faults == []
