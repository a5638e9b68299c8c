"""The pages in several languages: complete catalogues, the language of the browser or of the switch, formats."""

import html.parser
import io
import re
import subprocess
import sys
import zipfile
from datetime import date

import emp_process
import pytest
from emp.pages.language import LOCALE, Language, Languages
from emp_process import DEVICE, ENERGY, POWER, ROOT, content, row

babel_extract = pytest.importorskip("babel.messages.extract")
from babel.messages.mofile import read_mo  # noqa: E402
from babel.messages.pofile import read_po  # noqa: E402

HOST = ROOT / "simulator-host"
CATALOGUES = sorted(LOCALE.glob("*/LC_MESSAGES/emp.po"))
KEYWORDS = {**babel_extract.DEFAULT_KEYWORDS, "N_": None, "pgettext": ((1, "c"), 2), "context": ((1, "c"), 2)}
METHODS = [("emp/pages/**.py", "python"), ("emp/pages/templates/**.html", "jinja2")]
OPTIONS = {"emp/pages/templates/**.html": {"trim_blocks": "1", "lstrip_blocks": "1", "newstyle_gettext": "1"}}
_AT = f"/devices/{DEVICE.uri}"
PAGES = ("/", _AT, f"{_AT}/rows", f"{_AT}/registers/3-0100010800ff")


def messages():
    """(context, text) of every message in the sources."""
    own = babel_extract.extract_from_dir(str(HOST), METHODS, OPTIONS, KEYWORDS)
    shared = babel_extract.extract_from_dir(str(ROOT / "firmware/smgw/look"), [("language.py", "python")], {}, KEYWORDS)
    return {(context, text) for found in (own, shared) for _, _, text, _, context in found}


def catalogue(file):
    with file.open("rb") as stream:
        return read_po(stream)


@pytest.fixture(scope="module")
def emp(tmp_path_factory):
    with emp_process.inside(tmp_path_factory.mktemp("emp") / "emp.db") as running:
        rows = [row(n, 12_345_000 + n, 100, target_time_us=(1_700_000_100 + 900 * n) * 1_000_000) for n in range(1, 6)]
        running.put(content(*rows, registers=(ENERGY, POWER)))
        running.put(content(row(9, 5, time_valid=False)))
        yield running


class Pieces(html.parser.HTMLParser):
    """The texts that a user sees: text nodes and the attributes that are read aloud or shown."""

    def __init__(self, page):
        super().__init__()
        self.found = []
        self._hidden = False
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self._hidden = tag in ("script", "style", "code")
        self.found += [value for name, value in attrs if name in ("title", "aria-label", "data-label", "data-name")]

    def handle_endtag(self, tag):
        self._hidden = False

    def handle_data(self, data):
        if not self._hidden and data.strip():
            self.found += [part.strip(" \n·›←→") for part in re.split(r"[·›]", data)]


@pytest.mark.parametrize("file", CATALOGUES, ids=lambda file: file.parent.parent.name)
def test_every_message_of_the_sources_is_translated_and_none_is_left_over(file):
    translated = {(message.context, message.id): message.string for message in catalogue(file) if message.id}
    assert set(translated) == messages()
    assert [text for text, string in translated.items() if not string] == []
    assert not [message.id for message in catalogue(file) if message.fuzzy]


@pytest.mark.parametrize("file", CATALOGUES, ids=lambda file: file.parent.parent.name)
def test_a_translation_has_the_same_variables(file):
    for message in catalogue(file):
        assert sorted(re.findall(r"%\(\w+\)s|\{\}", message.string)) == sorted(
            re.findall(r"%\(\w+\)s|\{\}", message.id)
        )


@pytest.mark.parametrize("file", CATALOGUES, ids=lambda file: file.parent.parent.name)
def test_the_compiled_catalogue_is_that_of_the_source(file):
    with file.with_suffix(".mo").open("rb") as stream:  # `make setup` compiles it
        compiled = {(message.context, message.id): message.string for message in read_mo(stream) if message.id}
    assert compiled == {(message.context, message.id): message.string for message in catalogue(file) if message.id}


@pytest.mark.parametrize("page", PAGES)
def test_a_german_page_has_no_english_text_of_the_catalogue(emp, page):
    answer = emp.ask("GET", page, Accept_Language="de-DE,de;q=0.9,en;q=0.5")
    assert answer.status == 200
    assert '<html lang="de">' in answer.text
    assert answer.headers["Content-Language"] == "de"
    (file,) = (one for one in CATALOGUES if one.parent.parent.name == "de")
    english = [
        re.compile(re.sub(r"%\\\(\w+\\\)s", ".+", re.escape(message.id)))
        for message in catalogue(file)
        if message.id and not message.context and message.id != message.string and re.search("[a-z]{3}", message.id)
    ]
    texts = [text for text in Pieces(answer.text).found if text]
    assert [text for text in texts if any(pattern.fullmatch(text) for pattern in english)] == []


@pytest.mark.parametrize("accepted", [None, "en", "fr", "xx-YY, *;q=0.1", "de;q=0", "de;q=0.2, en;q=0.8"])
def test_english_is_spoken_where_nothing_else_is_wanted(emp, accepted):
    headers = {} if accepted is None else {"Accept_Language": accepted}
    page = emp.ask("GET", "/", **headers).text
    assert '<html lang="en">' in page
    assert "last seen" in page


def test_the_switch_is_remembered_by_a_cookie(emp):
    link = re.search(r'<a href="([^"]+)" hreflang="de" lang="de">Deutsch</a>', emp.ask("GET", "/").text)[1]
    answer = emp.ask("GET", link)
    assert '<html lang="de">' in answer.text
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith("language=de;")
    assert "Max-Age=31536000" in cookie
    assert "SameSite=Lax" in cookie
    later = emp.ask("GET", PAGES[1], Cookie=cookie.partition(";")[0], Accept_Language="en")
    assert '<html lang="de">' in later.text
    assert "Set-Cookie" not in later.headers


def test_the_switch_keeps_the_rest_of_the_address(emp):
    page = emp.ask("GET", f"{PAGES[1]}?month=2023-11").text
    assert f'href="{PAGES[1]}?month=2023-11&amp;language=de"' in page


@pytest.mark.parametrize("code", ["", "xx", "../../etc", "DE%00"])
def test_a_language_that_is_none_changes_nothing(emp, code):
    answer = emp.ask("GET", f"/?language={code}", Cookie="language=../x")
    assert answer.status == 200
    assert '<html lang="en">' in answer.text
    assert "Set-Cookie" not in answer.headers


def test_numbers_and_dates_are_written_as_the_language_does(emp):
    german = emp.ask("GET", PAGES[2], Accept_Language="de").text
    english = emp.ask("GET", PAGES[2]).text
    assert "1234500,5" in german
    assert "1234500.5" in english
    assert "14.11.2023" in german
    assert "2023-11-14" in english
    assert 'datetime="2023-11-14T' in german  # for programs


@pytest.mark.parametrize("form", ["csv", "json", "xml"])
def test_data_know_no_language(emp, form):
    path = f"/devices/{DEVICE.uri}.{form}"
    assert emp.ask("GET", path, Accept_Language="de").body == emp.ask("GET", path).body
    assert emp.ask("GET", path, Cookie="language=de").body == emp.ask("GET", path).body


def test_a_language_writes_numbers_dates_and_durations():
    german, english = Language("de"), Language("en")
    assert (german.number(1_234_567), english.number(1_234_567)) == ("1.234.567", "1,234,567")
    assert (german.decimal("12.50"), german.decimal("0a.0b"), german.decimal("-0.5")) == ("12,50", "0a.0b", "-0,5")
    assert (german.month(date(2025, 3, 1)), english.month(date(2025, 3, 1))) == ("März 2025", "March 2025")
    assert (german.weekday(date(2025, 3, 30)), german.short_weekday(date(2025, 3, 30))) == ("Sonntag", "So")
    assert (german.ago(0, 400_000_000), english.ago(0, 400_000_000)) == ("vor 7 min", "7 min ago")
    assert (german.ago(0, 1000), german.duration(400_000)) == ("gerade eben", "0,4 s")


def test_a_language_is_one_file_more(tmp_path):
    (tmp_path / "nl/LC_MESSAGES").mkdir(parents=True)
    (tmp_path / "nl/LC_MESSAGES/emp.mo").write_bytes((LOCALE / "de/LC_MESSAGES/emp.mo").read_bytes())
    assert [language.code for language in Languages(tmp_path)] == ["en", "nl"]
    assert Languages(tmp_path).chosen(None, "nl-BE").code == "nl"


def test_the_wheel_has_the_compiled_catalogues(tmp_path):
    source = tmp_path / "host"
    subprocess.run(["cp", "-r", str(HOST), str(source)], check=True)
    for compiled in source.glob("emp/locale/*/LC_MESSAGES/*.mo"):
        compiled.unlink()
    build = "import sys; from setuptools import build_meta; print(build_meta.build_wheel(sys.argv[1]))"
    done = subprocess.run(
        [sys.executable, "-c", build, str(tmp_path)], cwd=source, capture_output=True, text=True, check=True
    )
    wheel = zipfile.ZipFile(io.BytesIO((tmp_path / done.stdout.splitlines()[-1]).read_bytes()))
    assert "emp/locale/de/LC_MESSAGES/emp.mo" in wheel.namelist()
