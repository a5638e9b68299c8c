"""The pages of a consumer: what they show, in two languages, and that they show nothing of others."""

import html.parser
import json
import re
import tomllib
from itertools import pairwise

import han_pages
import han_words
import pytest
from smgw.han import words
from smgw.han.around import Around
from smgw.han.exchange import Request, Role, Who
from smgw.han.views import pages, static
from smgw.han.views.pages.chart import Bar, chart, tick
from smgw.han.views.pages.errors import error_page
from smgw.han.views.pages.quantity import digits
from smgw.han.views.technician import diagnosis
from smgw.look import assets

PAGES = ["/", "/energy", "/values", "/contracts", "/contracts/day-night", "/deliveries", "/log", "/gateway", "/exports",
         "/logout", "/nothing", "/technician/", "/technician/meters", "/technician/network",
         "/technician/log"]  # fmt: skip
RANGES = ["day", "week", "month", "year"]


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    state = tmp_path_factory.mktemp("han")
    han_pages.make(state)
    with han_pages.house(state) as found:
        yield found


@pytest.fixture
def around(house):
    """What a test changes of it is restored."""
    before = house.around
    yield house
    house.around = before


class Structure(html.parser.HTMLParser):
    """Counts what a page must have, and refuses what the policy of content forbids."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.ids, self.labels, self.fields = [], [], [], []
        self._open = []
        self.feed(page)
        assert not self._open

    def handle_starttag(self, tag, attrs):
        told = dict(attrs)
        assert "style" not in told
        assert not [name for name in told if name.startswith("on")]
        if tag == "script":
            assert told["src"].startswith("/static/")
        self.tags.append(tag)
        self.ids += [told["id"]] if "id" in told else []
        self.labels += [told["for"]] if "for" in told else []
        self.fields += [told["id"]] if tag in ("input", "select") and told.get("type") != "hidden" else []
        if tag not in ("meta", "link", "input", "br", "line", "rect"):
            self._open.append(tag)

    def handle_endtag(self, tag):
        if tag not in ("line", "rect"):
            assert self._open.pop() == tag

    def handle_startendtag(self, tag, attrs):
        assert tag in ("line", "rect")


@pytest.mark.parametrize("language", words.CODES)
@pytest.mark.parametrize("path", PAGES)
def test_every_page_is_whole_markup_with_one_title_and_labelled_fields(house, path, language):
    answer = han_pages.ask(house, path, {"language": language})
    assert answer.status == (404 if path == "/nothing" else 200)
    found = Structure(answer.text)
    assert (found.tags.count("h1"), found.tags.count("main")) == (1, 1)
    assert len(found.ids) == len(set(found.ids))
    assert set(found.fields) <= set(found.labels)
    assert f'<html lang="{language}">' in answer.text


@pytest.mark.parametrize("path", PAGES)
def test_no_page_is_stored_and_each_runs_only_our_scripts(house, path):
    headers = han_pages.ask(house, path).headers
    assert headers["Cache-Control"] == "no-store"
    assert headers["Content-Security-Policy"].startswith("default-src 'none'; ")
    assert "unsafe" not in headers["Content-Security-Policy"]


def test_every_text_is_german_and_no_translation_is_left_over():
    with (han_words.ROOM / "han" / "words" / "de.toml").open("rb") as file:
        german = tomllib.load(file)
    assert set(german["text"]) == han_words.texts()
    assert {(name, text) for name, texts in german["context"].items() for text in texts} == han_words.contexts()
    for english, text in german["text"].items():
        assert text
        assert set(re.findall(r"%\(\w+\)s|\{\w*\}", english)) == set(re.findall(r"%\(\w+\)s|\{\w*\}", text))


def test_the_language_is_that_of_the_address_then_of_the_cookie_then_of_the_browser(house):
    assert "Jetzt" in han_pages.ask(house, "/", {"language": "de"}).text
    assert "Jetzt" in han_pages.ask(house, "/", cookie="a=b; language=de").text
    assert "Jetzt" not in han_pages.ask(house, "/", {"language": "en"}, cookie="language=de").text
    assert "Jetzt" not in han_pages.ask(house, "/", {"language": "xx"}, cookie="language=../de").text
    assert "language=de" in han_pages.ask(house, "/", {"language": "de"}).headers["Set-Cookie"]


def test_the_first_page_shows_power_readings_and_their_time(house):
    text = han_pages.ask(house, "/").text
    assert ">-1480</span>" in text
    assert ">13020.0004</span>" in text
    assert "into the grid" in text
    assert "2026-04-04 17:30:44 CEST" in text
    assert "None" not in text


def test_live_figures_are_those_of_the_first_page(house):
    told = json.loads(han_pages.ask(house, "/live.json").text)
    assert (told["house power"], told["house import"]) == ("-1480", "13020.0004")
    assert told["house age"] == "3 s ago"


def rows(text):
    return [re.sub(r"<[^>]+>", "|", row) for row in re.findall(r"<tr>.*?</tr>", text)]


def test_a_day_has_its_hours_its_closing_values_and_its_gap(house):
    text = han_pages.ask(house, "/energy", {"day": "2026-04-01"}).text
    hours = [row for row in rows(text) if re.search(r"\|\d\d:00\|", row)]
    assert len(hours) == 24
    assert "complete" in hours[0]
    assert "an end is missing" in hours[14]
    assert "84 of 96 values" in text
    assert "2026-04-01 14:45:00 CEST" in text


def test_the_day_of_the_change_of_time_has_23_hours(house):
    text = han_pages.ask(house, "/energy", {"day": "2026-03-29"}).text
    hours = re.findall(r"\|(\d\d:00 \w+)\|", "".join(rows(text)))
    assert len(hours) == 23
    assert hours[1:3] == ["01:00 CET", "03:00 CEST"]


def test_links_for_trudi_name_contract_use_case_and_times(house):
    text = han_pages.ask(house, "/exports").text
    link = "/trudi/data?TafName=day-night&amp;TafId=2&amp;Start=2026-03-01T00%3A00%3A00%2B00%3A00"
    assert f'{link}&amp;End=2026-04-01T00%3A00%3A00%2B00%3A00"' in text


@pytest.mark.parametrize(("name", "count"), [("week", 7), ("month", 31), ("year", 12)])
def test_longer_ranges_have_days_and_months(house, name, count):
    text = han_pages.ask(house, "/energy", {"range": name, "day": "2026-03-15"}).text
    assert len([row for row in rows(text) if ("kWh" not in row and "complete" in row) or "missing" in row
                or "no value" in row or "not yet" in row or "not over" in row]) == count  # fmt: skip


def test_amounts_of_days_are_the_difference_of_closing_values(house):
    text = han_pages.ask(house, "/energy", {"range": "month", "day": "2026-03-15"}).text
    days = [[cell for cell in row.split("|") if cell.strip()] for row in rows(text) if "complete" in row]
    values = [(round(float(day[1]) * 10_000), round(float(day[3]) * 10_000)) for day in days]
    for (_, before), (used, closing) in pairwise(values):
        assert closing - before == used


@pytest.mark.parametrize("name", RANGES)
@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31", "x", "2026-02-30", ""])
def test_a_day_that_is_none_is_answered_all_the_same(house, name, day):
    assert han_pages.ask(house, "/energy", {"range": name, "day": day}).status == 200
    assert han_pages.ask(house, "/values", {"range": name, "day": day}).status == 200
    assert han_pages.ask(house, "/curve.json", {"range": name, "day": day}).status == 200


def test_the_curve_has_the_mean_power_of_quarter_hours_and_a_gap(house):
    curve = json.loads(han_pages.ask(house, "/curve.json", {"day": "2026-04-01"}).text)
    assert len(curve["time"]) == len(curve["value"]) == len(curve["time_valid"]) == 96
    assert curve["value"].count(None) == 13
    assert curve["value"][0] == f"{han_pages.used((31 * 96) - 8 + 1) * 4}.0"


def test_registered_values_say_their_status_in_words(house):
    text = han_pages.ask(house, "/values", {"day": "2026-03-15"}).text
    assert text.count("<tr>") == 97
    assert "a0000000" in text
    gap = han_pages.ask(house, "/values", {"day": "2026-04-01"}).text
    assert gap.count("no value") == 12


def test_a_contract_shows_steps_error_register_total_and_periods(house):
    text = han_pages.ask(house, "/contracts/day-night").text
    for shown in ("1-0:1.8.1*255", "1-0:1.8.63*255", "error register", "327.4650", "AR 2418-6", "utility"):
        assert shown in text


def test_the_log_book_is_the_own_one_and_markup_in_it_is_text(house):
    text = han_pages.ask(house, "/log").text
    assert "A profile was installed" in text
    assert "&lt;day-night&gt;" in text
    assert "somebody else" not in text
    assert "utility got" in han_pages.ask(house, "/deliveries").text


def test_the_gateway_page_shows_fingerprint_firmware_and_self_test(house):
    text = han_pages.ask(house, "/gateway").text
    assert "8F 98 92 29" in text
    assert house.firmware()[0].digest in text
    assert "4 of 4 parts are good" in text


def test_what_is_anothers_is_told_as_what_does_not_exist(house):
    for path, query in (
        ("/energy", {"meter": "house"}),
        ("/values", {"meter": "house"}),
        ("/curve.json", {"meter": "house"}),
        ("/contracts/day-night", {}),
        ("/exports/energy.csv", {"meter": "house", "step": "day", "from": "2026-03-01", "to": "2026-03-02"}),
    ):
        other = {"meter": "none"} if "meter" in query else {}
        theirs = han_pages.ask(house, path, query, who="berta")
        nothing = han_pages.ask(house, path.replace("day-night", "none"), {**query, **other}, who="berta")
        assert theirs.status == nothing.status == 404
        assert re.sub("house|day-night", "none", theirs.text) == nothing.text
    for path in ("/", "/contracts", "/log", "/deliveries", "/exports"):
        text = han_pages.ask(house, path, who="berta").text
        assert "1EMH" not in text
        assert "day-night" not in text


def test_csv_has_amounts_closing_values_and_whether_they_are_complete(house):
    query = {"meter": "house", "step": "day", "from": "2026-03-02", "to": "2026-04-01"}
    answer = han_pages.ask(house, "/exports/energy.csv", query)
    lines = answer.text.split("\r\n")
    assert lines[0].startswith("meter;from UTC;to UTC;from local;1-0:1.8.0*255 amount kWh;")
    assert len(lines) == 33
    first = "house;2026-03-01T23:00:00.00Z;2026-03-02T23:00:00.00Z;2026-03-02 00:00:00 CET;10.4970;12365.9254;yes;"
    assert lines[1].startswith(first)
    assert answer.headers["Content-Disposition"] == 'attachment; filename="2026-03-02_2026-04-01.csv"'
    begins = [line.split(";")[1] for line in lines[1:-1]]
    assert begins == sorted(set(begins))  # over the end of a month no row is missing and none comes twice


def test_a_year_of_quarter_hours_is_one_csv(house):
    query = {"meter": "house", "step": "quarter-hour", "from": "2025-04-05", "to": "2026-04-04"}
    lines = han_pages.ask(house, "/exports/energy.csv", query).text.split("\r\n")
    assert len(lines) == 365 * 96 + 2


@pytest.mark.parametrize(
    "query",
    [
        {"from": "2026-03-02", "to": "2026-03-01", "step": "day"},
        {"from": "2024-03-02", "to": "2026-03-01", "step": "quarter-hour"},
        {"from": "2026-03-02", "to": "2026-03-02", "step": "second"},
        {"from": "0001-01-01", "to": "9999-12-31", "step": "month"},
        {},
    ],
    ids=["backwards", "too-long", "no-step", "no-time", "nothing"],
)
def test_a_csv_that_makes_no_sense_says_what_is_needed(house, query):
    answer = han_pages.ask(house, "/exports/energy.csv", {"meter": "house", **query})
    assert answer.status == 400
    assert json.loads(answer.text)["text"]


def test_nothing_is_changed_by_other_methods(house):
    request = Request("POST", "/", {}, {}, b"", Who(Role.CONSUMER, "anna"), "192.0.2.7", "en")
    assert pages.answer(request, house).status == 405


def test_every_file_of_the_look_is_served_and_nothing_else():
    def get(path):
        return static.answer(Request("GET", path, {}, {}, b"", None, "192.0.2.7", "en"), None)

    for name, media in assets.MEDIA.items():
        answer = get(f"/static/{name}")
        assert (answer.status, answer.media.partition(";")[0]) == (200, media)
    for path in ("/static/", "/static/../__init__.py", "/static/look.css/", "/static/uplot"):
        assert get(path).status == 404


def test_the_technician_sees_how_lines_are_and_no_reading(house):
    whole = "".join(han_pages.ask(house, path).text for path in PAGES if path.startswith("/technician/"))
    latest = [one["latest"]["readings"] for one in house.around.health()["meters"] if one["latest"]]
    readings = [str(reading["value"]) for own in latest for reading in own if reading["value"] is not None]
    assert len(readings) >= 3
    for reading in readings:
        assert reading not in whole
        assert digits(int(reading), -4) not in whole
    for shown in ("is read", "utility", "Last sign of life", "8F 98 92 29", "A profile was installed"):
        assert shown in whole


def test_a_remark_about_values_is_left_out(around):
    meter = around.around.health()["meters"][0]
    told = {**meter, "state": "silent", "note": "no octets; 32.7.0 is 4711 V", "remark": "32.7.0 is 4711 V"}
    reasons = ["meter house: silent: no octets; 32.7.0 is 4711 V", "the case is open"]
    around.around = around.around._replace(health=lambda: {"meters": [told], "reasons": reasons})
    whole = han_pages.ask(around, "/technician/meters").text + han_pages.ask(around, "/technician/").text
    assert "4711" not in whole
    assert "no octets" in whole
    assert "the case is open" in whole


@pytest.mark.parametrize("event", sorted(diagnosis.WITH_READINGS))
def test_a_text_of_the_system_log_that_can_hold_a_reading_is_left_out(around, event):
    house = around
    entry = house.around.system_log(1)[-1]._replace(event=event, subject="from 4711 to 42")
    house.around = house.around._replace(system_log=lambda _: [entry])
    assert "4711" not in han_pages.ask(house, "/technician/log").text


def test_without_health_the_pages_of_the_technician_say_that_nothing_is_known(around):
    house = around
    house.around = Around()
    for path in PAGES:
        if path.startswith("/technician/"):
            assert han_pages.ask(house, path).status == 200


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 429, 500, 503])
@pytest.mark.parametrize("language", words.CODES)
def test_every_refusal_has_a_page_without_a_name(status, language):
    text = error_page(status, "", language).decode()
    Structure(text)
    assert str(status) in text
    assert ("smgw consumer add" in text) is (status == 401)


def test_bars_keep_to_the_axis_and_mark_what_is_missing():
    drawn = chart([Bar("0", "a", 1500, 20), Bar("1", "b", None, None, flawed=True)], 1000, "name")
    assert drawn.count("<svg") == 2
    assert ">1.5<" in drawn
    assert drawn.count('class="gap"') == 2
    assert chart([Bar("0", "a", None, None)], 1, "name") == ""


@pytest.mark.parametrize(("largest", "step"), [(1, 1), (4, 1), (5, 2), (39, 10), (41, 20), (160, 50), (999, 500)])
def test_the_grid_has_round_steps_and_at_most_five_lines(largest, step):
    assert tick(largest) == step


@pytest.mark.parametrize(
    ("value", "scaler", "text"),
    [(5, 0, "5"), (5, 2, "500"), (-75, -2, "-0.75"), (3, -4, "0.0003"), (12345, -1, "1234.5")],
)
def test_digits_are_exact(value, scaler, text):
    assert digits(value, scaler) == text
