"""Pages for people: complete HTML, safe, without scripts; and the command line."""

import hashlib
import html.parser
import json
import signal
import subprocess
import sys
from pathlib import Path

import emp_process
import emp_year
import pytest
from emp.web.server import Settings
from emp_process import DEVICE, ENERGY, GATEWAY, POWER, content, row
from smgw import look
from smgw.cosem.obis import Obis
from smgw.cosemxml.document import Register
from smgw.look.times import Zone, ago, iso

VOID = {"meta", "link", "br", "img", "input", "hr"}


class Checker(html.parser.HTMLParser):
    """Every element is closed; no script, no inline style."""

    def __init__(self, text):
        super().__init__()
        self.open, self.texts, self.links = [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        assert tag != "style"
        assert tag != "script" or dict(attrs)["src"].startswith("/static/")
        assert not {name for name, _ in attrs} & {"style", "onclick", "onload"}
        self.links += [value for name, value in attrs if name == "href"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data.strip())


@pytest.fixture(scope="module")
def emp(tmp_path_factory):
    with emp_process.inside(tmp_path_factory.mktemp("emp") / "emp.db") as running:
        assert "No gateway has delivered yet" in running.ask("GET", "/").text
        rows = [row(n, 1_000_000 + n, -n, time_valid=n != 150) for n in range(1, 251)]
        running.put(content(*rows, registers=(ENERGY, POWER)))
        yield running


def test_the_overview_shows_gateways_devices_and_latest_values(emp):
    answer = emp.ask("GET", "/")
    texts = Checker(answer.text).texts
    assert {str(GATEWAY), str(DEVICE), "100025.0", "Wh", "-250", "W", "1-0:1.8.0*255", "energy, import"} <= set(texts)
    assert '<meta http-equiv="refresh" content="5">' in answer.text
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'self'")
    assert 'title="2023-11-14T22:17:30.00Z (UTC)">2023-11-14 23:17:30 CET<' in answer.text


def test_the_devices_page_shows_rows_newest_first_in_pages(emp):
    first = emp.ask("GET", f"/devices/{DEVICE.uri}/rows")
    assert "Page 1 of 3" in first.text
    assert "refresh" not in first.text
    assert "100025.0" in Checker(first.text).texts
    second = Checker(emp.ask("GET", f"/devices/{DEVICE.uri}/rows?page=2").text)
    assert "not valid" in second.texts
    assert f"/devices/{DEVICE.uri}/rows?page=3" in second.links
    last = Checker(emp.ask("GET", f"/devices/{DEVICE.uri}/rows?page=3").text)
    assert "100000.1" in last.texts
    assert f"/devices/{DEVICE.uri}/rows?page=4" not in last.links
    assert emp.ask("GET", f"/devices/{DEVICE.uri}/rows?page=99").status == 200


def test_every_link_of_the_pages_leads_somewhere(emp):
    register = f"/devices/{DEVICE.uri}/registers/3-0100010800ff"
    pages = ["/", f"/devices/{DEVICE.uri}", f"/devices/{DEVICE.uri}/rows", register, f"{register}?range=month"]
    links = {link for page in pages for link in Checker(emp.ask("GET", page).text).links if link.startswith("/")}
    assert len(links) > 5
    for link in links:
        assert emp.ask("GET", link).status == 200, link


@pytest.fixture(scope="module")
def year(tmp_path_factory):
    database = tmp_path_factory.mktemp("year") / "emp.db"
    emp_year.fill(database)
    with emp_process.inside(database) as running:
        yield running


def cells(text, row_starts_with):
    line = next(line for line in text.splitlines() if line.startswith("<tr>") and row_starts_with in line)
    checker = Checker(line)
    return [cell for cell in checker.texts if cell]


def test_a_devices_page_tells_how_complete_its_days_are_and_where_the_gaps_are(year):
    text = year.ask("GET", f"/devices/{DEVICE.uri}?month=2025-03").text
    Checker(text)
    assert cells(text, "2025-03-29")[:4] == ["Sat 2025-03-29", "96", "96", "100.0 %"]
    assert cells(text, "Sun 2025-03-30")[:4] == ["Sun 2025-03-30", "87", "92", "94.5 %"]
    assert cells(text, "Mon 2025-03-31")[-1] == "4 missing"
    gap = cells(text, "2025-03-30 06:00:00 CEST")
    assert gap == [
        "2025-03-30 06:00:00 CEST",
        "2025-03-30 07:15:00 CEST",
        "5",
        "1 h 15 min",
        "the gateway had no value from the meter",
    ]
    assert cells(text, "2025-03-31 12:00:00 CEST")[-1] == "nothing delivered, or not yet"
    assert "2,959 of 2,968 values" in text


def test_autumn_has_a_day_of_a_hundred_quarter_hours(year):
    text = year.ask("GET", f"/devices/{DEVICE.uri}?month=2025-10-26").text
    assert cells(text, "Sun 2025-10-26")[:4] == ["Sun 2025-10-26", "100", "100", "100.0 %"]


def test_a_month_without_anything_says_so(year):
    assert "Nothing is expected of this month" in year.ask("GET", f"/devices/{DEVICE.uri}?month=2024-01").text
    assert year.ask("GET", f"/devices/{DEVICE.uri}?month=soon").status == 400


def test_a_device_without_a_grid_has_no_number_of_values_to_expect(emp):
    assert "no values on a grid" in emp.ask("GET", f"/devices/{DEVICE.uri}").text


def test_a_registers_page_holds_the_table_of_its_curve(year):
    path = f"/devices/{DEVICE.uri}/registers/3-0100010800ff?day=2025-03-30"
    text = year.ask("GET", path).text
    Checker(text)
    assert text.count('<th scope="row">') == 92
    assert cells(text, "2025-03-30 03:00:00 CEST")[1:] == [cells(text, "2025-03-30 03:00:00 CEST")[1], "valid"]
    assert cells(text, "2025-03-30 06:00:00 CEST")[1] == "missing"
    assert cells(text, "2025-03-30 18:00:00 CEST")[-1] == "not valid"
    readings = year.ask("GET", path + "&as=reading").text
    first, second = (cells(readings, f"2025-03-30 00:{minute}:00 CET")[1] for minute in ("00", "15"))
    used = cells(text, "2025-03-30 00:00:00 CET")[1]
    assert f"{float(second) - float(first):.1f}" == used


def test_a_registers_exports_hold_what_its_table_shows(year):
    path = f"/devices/{DEVICE.uri}/registers/3-0100010800ff"
    lines = year.ask("GET", f"{path}.csv?day=2025-03-30").text.splitlines()
    assert len(lines) == 93
    assert lines[0] == "time,value,unit,time_valid,gateway_status"
    found = json.loads(year.ask("GET", f"{path}.json?day=2025-03-30").body)
    assert [value or "" for value in found["value"]] == [line.split(",")[1] for line in lines[1:]]
    assert (found["zone"], found["unit"], found["period"]) == ("Europe/Berlin", "Wh", 900)
    assert found["value"].count(None) == 6
    assert found["time_valid"].count(0) == 5


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/registers/3-0100020800ff", 404),
        ("/registers/3-01", 404),
        ("/registers/99999-0100010800ff", 404),
        ("/registers/3-0100010800ff.7", 404),
        ("/registers/3-0100010800ff?day=32", 400),
        ("/registers/3-0100010800ff.json?range=decade", 400),
        ("/registers/3-0100010800ff.xml", 404),
        (".pdf", 404),
    ],
)
def test_what_is_not_there_says_so(year, path, status):
    answer = year.ask("GET", f"/devices/{DEVICE.uri}{path}")
    assert (answer.status, "Traceback" in answer.text) == (status, False)


def test_another_zone_has_other_days(tmp_path):
    database = tmp_path / "emp.db"
    emp_year.fill(database)
    with emp_process.inside(database, Settings(zone=Zone("UTC"))) as emp:
        text = emp.ask("GET", f"/devices/{DEVICE.uri}?month=2025-03").text
        assert cells(text, "Sun 2025-03-30")[1:3] == ["91", "96"]
        assert "2025-03-31 10:00:00 UTC" in text


def test_what_is_used_is_licensed(emp):
    assert "The MIT License" in emp.ask("GET", "/static/uplot/LICENSE").text


def test_what_a_meter_says_is_never_markup(tmp_path):
    from smgw.cosem.data import Data, DataType

    evil = Data(DataType.VISIBLE_STRING, "<script>alert(1)</script>")
    register = Register(Obis.parse("0-0:96.1.0*255"), 0, 255, 1)
    with emp_process.inside(tmp_path / "emp.db") as emp:
        emp.put(content(row(1)._replace(values=(evil,)), registers=(register,)))
        for page in ("/", f"/devices/{DEVICE.uri}"):
            text = emp.ask("GET", page).text
            Checker(text)
            assert "&lt;script&gt;" in text


def test_times_for_people():
    assert iso(1_700_000_000_250_000) == "2023-11-14T22:13:20.25Z"
    assert iso(None) is None
    assert Zone().local(None) == "–"
    assert [ago(0, seconds * 1_000_000) for seconds in (-5, 1, 42, 300, 10_800, 1_036_800)] == [
        "just now",
        "just now",
        "42 s ago",
        "5 min ago",
        "3 h ago",
        "12 d ago",
    ]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_although_connections_are_idle(tmp_path, number):
    """They would be waited for longer than `emp_process.stop` waits."""
    import socket

    emp = emp_process.start(tmp_path / "emp.db", "--header-timeout", "600", "--body-timeout", "600")
    with socket.create_connection(("127.0.0.1", emp.port)), socket.create_connection(("127.0.0.1", emp.port)) as half:
        half.sendall(
            b"PUT /cosem/ldevs/1emh0005347109.sm HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\nContent-Type: a/b\r\n\r\n"
        )
        said = emp_process.stop(emp, number)
    assert (emp.process.returncode, said) == (0, "")


def command(*arguments):
    environment = {"PYTHONPATH": f"{emp_process.ROOT}/firmware:{emp_process.ROOT}/simulator-host", "PATH": ""}
    return subprocess.run([sys.executable, "-m", "emp", *arguments], env=environment, capture_output=True, text=True)


def test_status_reads_beside_a_running_server(tmp_path):
    with emp_process.inside(tmp_path / "emp.db") as emp:
        emp.put(content(row(1, 1)))
        told = command("status", "--db", str(tmp_path / "emp.db"))
    assert told.returncode == 0
    assert f"gateway {GATEWAY}  1 rows" in told.stdout
    assert command("status", "--db", str(tmp_path / "emp.db")).stdout.startswith(f"{tmp_path}/emp.db: 1 gateways")


def test_help_teaches():
    assert "emp serve --listen 127.0.0.1:0" in command("--help").stdout


def test_a_second_server_a_wrong_file_and_a_taken_port_are_told_without_traceback(tmp_path):
    (tmp_path / "text.db").write_text("this is no database, it is a letter to a friend" * 50)
    with emp_process.inside(tmp_path / "emp.db") as emp:
        port = f"127.0.0.1:{emp.port}"
        cases = {
            "another emp serve uses it": ("serve", "--listen", "127.0.0.1:0", "--db", f"{tmp_path}/emp.db"),
            "cannot be used as a database": ("serve", "--listen", "127.0.0.1:0", "--db", f"{tmp_path}/text.db"),
            "No such file or directory": ("serve", "--listen", "127.0.0.1:0", "--db", f"{tmp_path}/no/emp.db"),
            "cannot listen on": ("serve", "--listen", port, "--db", f"{tmp_path}/other.db"),
            "is no HOST:PORT": ("serve", "--listen", "8080"),
            "no such file": ("status", "--db", f"{tmp_path}/none.db"),
            "cannot be read": ("status", "--db", f"{tmp_path}/text.db"),
        }
        for message, arguments in cases.items():
            told = command(*arguments)
            assert told.returncode in (1, 2)
            assert message in told.stderr
            assert "Traceback" not in told.stderr


def test_the_plot_library_is_the_file_that_its_makers_published() -> None:
    """uPlot 1.6.32: a changed octet would run in the browser of every user."""
    folder = Path(look.__file__).parent / "static" / "uplot"
    found = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in folder.iterdir()}
    assert found == {
        "LICENSE": "8f989229699b4fe2f1a0432d0e9edc338a8a911e250e2d1b01ecd770a5f5b1bd",
        "uPlot.iife.min.js": "19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f",
        "uPlot.min.css": "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04",
    }
