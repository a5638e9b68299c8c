"""The set-up in a browser: who may do it, the grammar of its orders, the helper that carries them out, its pages."""

import json
import os
import stat
import tomllib

import pytest
from captures_made import MIDNIGHT
from hypothesis import given
from hypothesis import strategies as st
from line_meter import PolledMeter
from registering import Clock
from smgw.cli import main, setup_meters
from smgw.errors import SmgwError
from smgw.han.around import Around
from smgw.han.exchange import Request
from smgw.han.house import House
from smgw.han.set_up.desk import Known, SetUp, make_code, plain
from smgw.han.set_up.link import is_on_link
from smgw.han.set_up.orders import ORDER, SCAN, WRITE, Choice, Order, OrderError, dump, parse
from smgw.han.views import setup
from smgw.lmn.scan import Scan
from smgw.profiles.toml_importer import load
from smgw.store import paths
from smgw.store.han.store import HanStore
from smgw.store.han.view import HanView
from smgw.store.lmn.store import LmnStore
from smgw.store.lmn.view import LmnView

ID = "0123456789abcdef"
WHOLE = Order(WRITE, ID, (Choice(1, "house"),), ("system",), 900, "anna", "", "", "")
NEW = """\
[gateway]
device_id = "ESMG0000000001"
system_clock = true
[han]
listen = "127.0.0.1:8444"
[[meter]]
name = "house"
protocol = "sml-push"
port = "/dev/smgw/name-of-your-head"
"""
TABLE = {"protocol": "sml-push", "port": "/dev/ttyUSB0"}


@pytest.fixture
def state(tmp_path):
    """A gateway that nobody has set up."""
    config = tmp_path / "gateway.toml"
    config.write_text(NEW)
    directory = tmp_path / "state"
    paths.han_directory(directory).mkdir(parents=True)
    with LmnStore.open(paths.lmn_directory(directory), ballast_bytes=0) as store:
        store.flush(now=True)
    with HanStore.open(paths.han_directory(directory)):
        pass
    return directory


def config_of(state):
    return state.parent / "gateway.toml"


def desk_of(state, known=None, now=lambda: 0.0):
    return SetUp(state, config_of(state), Clock().stamp, known or Known(), now)


def found_in(state, *meters):
    place = paths.run_directory(state) / "setup"
    place.mkdir(parents=True, exist_ok=True)
    told = [{"name": name, "device": "", "table": {**TABLE, "port": f"/dev/{name}"}} for name in meters]
    (place / "found.json").write_text(json.dumps(told))


def carried_out(state, octets):
    (paths.han_directory(state) / ORDER).write_bytes(octets)
    code = main(["setup", "--order", "--config", str(config_of(state)), "--state", str(state)])
    answer = paths.run_directory(state) / "setup" / "answer.json"
    return code, json.loads(answer.read_text()) if answer.exists() else None


@pytest.mark.parametrize("order", [Order(SCAN, ID), WHOLE, WHOLE._replace(url="https://emp:1", emp="emp")])
def test_an_order_comes_back_from_its_octets(order):
    assert parse(dump(order)) == order


WRONG = {
    "no-json": b"{",
    "no-utf-8": b"\xff",
    "a-list": b"[]",
    "another-kind": b'{"kind": "shell", "id": "0123456789abcdef"}',
    "one-key-more": b'{"kind": "scan", "id": "0123456789abcdef", "port": "/dev/sda"}',
    "a-key-less": b'{"kind": "write", "id": "0123456789abcdef"}',
    "a-wrong-id": b'{"kind": "scan", "id": "../../etc/passwd"}',
    "too-large": b" " * 20_000,
}


@pytest.mark.parametrize("octets", WRONG.values(), ids=WRONG)
def test_what_is_no_order_is_refused(octets):
    with pytest.raises(OrderError):
        parse(octets)


@pytest.mark.parametrize(
    "changes",
    [
        {"meters": []},
        {"meters": [{"found": 0, "name": "a"}]},
        {"meters": [{"found": True, "name": "a"}]},
        {"meters": [{"found": 1, "name": "a", "port": "/dev/sda"}]},
        {"meters": [{"found": 1, "name": "a\n[han]"}]},
        {"servers": []},
        {"servers": ["a"] * 10},
        {"every": -1},
        {"every": True},
        {"every": 1.5},
        {"consumer": 5},
        {"url": "x" * 301},
    ],
    ids=str,
)
def test_each_value_of_an_order_has_its_type_and_size(changes):
    with pytest.raises(OrderError):
        parse(json.dumps({**json.loads(dump(WHOLE)), **changes}).encode())


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    )
)
def test_any_json_is_an_order_or_refused(told):
    with pytest.raises(OrderError):
        parse(json.dumps(told).encode())


ROUTES = """\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t0101A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0
eth0\t0001A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
eth0\t0002A8C0\t0101A8C0\t0003\t0\t0\t0\t00FFFFFF\t0\t0\t0
"""
ROUTES6 = "20010db8000000000000000000000000 40 00000000000000000000000000000000 00 " + "0" * 32 + (
    " 00000100 00000001 00000000 00000001 eth0\n"
    + "0" * 32 + " 00 " + "0" * 32 + " 00 fe800000000000000000000000000001 00000400 00000001 00000000 00000003 eth0\n"
)  # fmt: skip


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("127.0.0.1", True),
        ("::1", True),
        ("169.254.3.4", True),
        ("fe80::1%eth0", True),
        ("192.168.1.77", True),
        ("::ffff:192.168.1.77", True),
        ("192.168.2.77", False),  # behind a router
        ("10.0.0.1", False),
        ("203.0.113.9", False),
        ("2001:db8::5", True),
        ("2001:db9::5", False),
        ("", False),
        ("nonsense", False),
    ],
)
def test_only_who_needs_no_router_is_on_the_link(tmp_path, address, expected):
    (tmp_path / "route").write_text(ROUTES)
    (tmp_path / "ipv6_route").write_text(ROUTES6)
    assert is_on_link(address, tmp_path / "route", tmp_path / "ipv6_route") is expected


def test_the_code_is_made_once_and_private(state):
    code = make_code(state)
    assert make_code(state) == code
    assert stat.S_IMODE((paths.han_directory(state) / "setup-code").stat().st_mode) == 0o600
    assert len(plain(code)) == 10


def test_wrong_codes_lock_the_address_and_the_right_one_opens_another(state):
    desk = desk_of(state)
    code = make_code(state)
    assert [desk.enter("wrong", "192.0.2.1") for _ in range(5)] == [0, 0, 0, 0, 300]
    assert desk.enter(code, "192.0.2.1") > 0
    session = desk.enter(f" {code.upper().replace('-', ' ')} ", "192.0.2.2")
    assert isinstance(session, str)
    assert desk.knows(session)
    assert not desk.knows("0" * 32)
    assert not desk.knows("")


def test_a_session_ends(state):
    now = 0.0
    desk = desk_of(state, now=lambda: now)
    session = desk.enter(make_code(state), "192.0.2.1")
    now = 3601.0
    assert not desk.knows(session)


def test_an_order_writes_a_checked_configuration_and_keeps_what_it_does_not_ask(state):
    found_in(state, "one", "two")
    order = WHOLE._replace(meters=(Choice(2, "house"), Choice(1, "flat")), servers=("ntp.example.org",))
    code, answer = carried_out(state, dump(order))
    assert (code, answer["state"], answer["id"]) == (0, "done", ID), answer
    written = tomllib.loads(config_of(state).read_text())
    assert written["gateway"] == {"device_id": "ESMG0000000001", "ntp": ["ntp.example.org"]}
    assert written["han"] == {"listen": "127.0.0.1:8444"}
    assert [(one["name"], one["port"]) for one in written["meter"]] == [("house", "/dev/two"), ("flat", "/dev/one")]
    assert written["consumer"] == [{"name": "anna", "meters": ["house", "flat"]}]
    assert load(config_of(state)).meters[0].registration_period == 900
    assert not (paths.han_directory(state) / ORDER).exists()


@pytest.mark.parametrize(
    "changes",
    [
        {"meters": (Choice(3, "house"),)},
        {"meters": (Choice(1, "No Name"),)},
        {"meters": (Choice(1, "house"), Choice(2, "house"))},
        {"servers": ("not a host!",)},
        {"every": 77},
        {"consumer": ""},
        {"consumer": 'a"b'},
        {"url": "file:///etc/passwd"},
        {"url": "https://emp.example.org", "emp": "X Y"},
    ],
    ids=str,
)
def test_a_wrong_answer_is_told_and_nothing_is_written(state, changes):
    found_in(state, "one", "two")
    code, answer = carried_out(state, dump(WHOLE._replace(**changes)))
    assert (code, answer["state"]) == (0, "failed")
    assert answer["text"]
    assert config_of(state).read_text() == NEW
    assert not (paths.han_directory(state) / ORDER).exists()


def test_a_gateway_that_is_set_up_takes_no_order(state, capsys):
    found_in(state, "one")
    assert carried_out(state, dump(WHOLE))[1]["state"] == "done"
    before = config_of(state).read_text()
    for order in (WHOLE, Order(SCAN, ID)):
        assert carried_out(state, dump(order))[0] == 2
    assert config_of(state).read_text() == before
    assert "the set-up in a browser is over" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["link", "pipe", "folder", "nonsense"])
def test_a_file_that_is_no_order_is_removed_and_not_followed(state, kind, tmp_path, capsys):
    file, secret = paths.han_directory(state) / ORDER, tmp_path / "secret"
    secret.write_bytes(dump(WHOLE))
    if kind == "link":
        file.symlink_to(secret)
    elif kind == "pipe":
        os.mkfifo(file)
    elif kind == "folder":
        file.mkdir()
    else:
        file.write_bytes(b"nonsense")
    assert main(["setup", "--order", "--config", str(config_of(state)), "--state", str(state)]) == 2
    assert "order" in capsys.readouterr().err
    assert config_of(state).read_text() == NEW
    assert secret.exists()
    assert kind == "folder" or not file.exists()


def test_without_an_order_the_helper_does_nothing(state):
    assert main(["setup", "--order", "--config", str(config_of(state)), "--state", str(state)]) == 0
    assert not (paths.run_directory(state) / "setup").exists()


def test_a_scan_answers_with_the_meters_that_speak_and_the_ports_that_do_not(state, tmp_path, monkeypatch):
    def fast(port, say, **_):
        return Scan(port, say, listen_s=0.05, timeout_s=0.1)

    monkeypatch.setattr(setup_meters, "Scan", fast)
    with PolledMeter() as meter:
        monkeypatch.setattr(setup_meters, "ports", lambda: ["/dev/null", meter.url])
        answer = carried_out(state, dump(Order(SCAN, ID)))[1]
    assert answer["state"] == "done"
    assert [(one["name"], one["protocol"], one["port"]) for one in answer["meters"]] == [
        ("emh-2881", "sml-poll", meter.url)
    ]
    assert answer["text"].startswith("/dev/null")


def ask(house, method="GET", body="", cookie="", address="127.0.0.1", path="/setup", language="en"):
    headers = {"cookie": cookie} if cookie else {}
    return setup.answer(Request(method, path, {}, headers, body.encode(), None, address, language), house)


@pytest.fixture
def house(state):
    with LmnView.open(paths.lmn_directory(state)) as view:
        found = House(view, None, load(config_of(state)), list, lambda: MIDNIGHT)
        found.around = Around(set_up=desk_of(state))
        yield found


def entered(house, state):
    answer = ask(house, "POST", f"code={make_code(state)}")
    assert (answer.status, answer.headers["Location"]) == (303, "/setup")
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly; SameSite=Strict; Secure" in cookie
    return cookie.partition(";")[0]


def test_without_the_code_the_page_shows_nothing_of_the_gateway(house, state):
    text = ask(house).body.decode()
    assert "ESMG" not in text
    assert make_code(state) not in text
    assert ask(house, "POST", "code=wrong").status == 403
    assert ask(house, "POST", "do=scan").status == 403
    assert not (paths.han_directory(state) / ORDER).exists()


def test_who_is_behind_a_router_is_refused(house):
    assert ask(house, address="203.0.113.9").status == 403
    assert ask(house, "POST", "code=x", address="203.0.113.9").status == 403


@pytest.mark.parametrize("path", ["/setup/x", "/setupx"])
def test_other_paths_are_not_there(house, path):
    assert ask(house, path=path).status == 404


def test_a_browser_leads_from_the_code_to_the_first_login_and_then_the_door_is_shut(house, state):
    cookie = entered(house, state)
    assert "Look for meters" in ask(house, cookie=cookie).body.decode()
    assert ask(house, "POST", "do=scan", cookie).status == 303
    order = parse((paths.han_directory(state) / ORDER).read_bytes())
    waiting = ask(house, cookie=cookie)
    assert waiting.headers["Refresh"] == "3; url=/setup"
    found_in(state, "ttyUSB0")
    scanned = {"id": order.id, "state": "done", "text": "", "meters": [{**TABLE, "name": "emh-1", "device": "1EMH<b>"}]}
    (paths.run_directory(state) / "setup" / "answer.json").write_text(json.dumps(scanned))
    text = ask(house, cookie=cookie).body.decode()
    assert "1EMH&lt;b&gt;" in text
    assert 'value="emh-1"' in text
    form = "do=write&meter-1=1&name-1=house&every=900&servers=system&consumer=anna&url=&emp=emp&participant="
    assert ask(house, "POST", form.replace("every=900", "every=x"), cookie).status == 400
    assert ask(house, "POST", form, cookie).status == 303
    assert carried_out(state, (paths.han_directory(state) / ORDER).read_bytes())[1]["state"] == "done"
    done = ask(house, cookie=cookie).body.decode()
    assert "Show the first login" in done
    assert "password" not in done.lower()
    shown = ask(house, "POST", "do=login", cookie)
    assert "anna" in shown.body.decode()
    assert shown.headers["Cache-Control"] == "no-store"
    with HanView.open(paths.han_directory(state)) as view:
        assert [(one.name, one.realm) for one in view.accounts()] == [("anna", "esmg0000000001")]
    for method in ("GET", "POST"):
        assert ask(house, method, "do=login", cookie).status == 404
    assert not (paths.han_directory(state) / "setup-code").exists()


def test_a_login_is_not_made_before_something_was_written(house, state):
    cookie = entered(house, state)
    with pytest.raises(SmgwError, match="nothing was written"):
        ask(house, "POST", "do=login", cookie)


def test_the_command_prints_the_code(state, capsys):
    code = make_code(state)
    assert main(["setup", "--code", "--state", str(state), "--config", str(config_of(state))]) == 0
    assert capsys.readouterr().out == f"{code}\n"


def test_after_the_set_up_there_is_no_code(state, capsys):
    assert main(["setup", "--code", "--state", str(state), "--config", str(config_of(state))]) == 2
    assert "there is no code" in capsys.readouterr().err
