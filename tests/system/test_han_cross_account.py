"""Every address of every role at the real server: nobody is shown anything of another.

Two consumers had the same meter, one after the other. Each consumer, the technician and a stranger follow all links
that they are shown. Then each asks for all that the others were shown.
"""

import html
import http.client
import json
import re
import socket
import ssl
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qsl, quote, urlencode, urljoin, urlsplit

import pytest
from han_login import authorization, challenge_of
from house_state import AFTER_THE_MOVE, DEVICE, FLAT, MOVED, SLOT, TEXT, make
from smgw.cli import main
from smgw.profiles.han import VIEWS
from smgw.trust.han_tls import own_files
from smgw.trust.self_signed import write_self_signed

PATIENCE_S = 120.0
#: Addresses that one role follows at most, and queries of one path.
MOST, QUERIES = 400, 8
CONSUMERS = ("anna", "berta", "carl")
METERS = {"house": "meter-7f3a", "flat": "meter-9c2e"}
CONTRACTS = {"day-night": "contract-anna-41", "series": "contract-anna-73", "flat-total": "contract-berta-58"}
POINTS = {"DE1": "DE0000000000000000000000000011", "DE2": "DE0000000000000000000000000022"}
#: What the first digits of all readings of a consumer are.
DIGITS = {"anna": 3300337, "berta": 4711473, "carl": 8811889}
#: The slot of a reading that is less than the one before.
FELL = 50
LOGGED = {name: f"of {name}" for name in CONSUMERS}
#: What only the consumers themselves may be shown; the meter of berta and carl is of both.
SECRETS = {
    "anna": [str(DEVICE), METERS["house"], CONTRACTS["day-night"], CONTRACTS["series"], POINTS["DE1"], LOGGED["anna"]],
    "berta": [CONTRACTS["flat-total"], POINTS["DE2"], LOGGED["berta"]],
    "carl": [LOGGED["carl"], AFTER_THE_MOVE],
}
FLAT_OWN = [str(FLAT), METERS["flat"]]
#: Where to begin, for views to which no link leads. Each view of the table is reached by somebody.
SEEDS = [
    "/",
    "/smgw/",
    "/trudi/firmware",
    "/trudi/contracts",
    "/technician/",
    "/static/look.css",
    *(f"/json/{one}" for one in ("systeminformations", "metering/derived/", "metering/origin/", "conlogbook/")),
    *(f"/cgi-bin/hanservice.cgi?action={one}" for one in ("", "meterform", "tariffform", "log", "swversions")),
]
DAYS = timedelta(days=1)
#: Views that are closed once somebody has a login, with an address of each.
CLOSED = {"setup": "/setup"}
THEBEN = "/smgw/m2m/{}/json"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


class Got(NamedTuple):
    status: int
    body: bytes


class Client:
    """A connection that stays, with HTTP Digest or a certificate."""

    def __init__(self, port: int, name: str, password: str = "", certificate: Path | None = None) -> None:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if certificate is not None:
            context.load_cert_chain(certificate, certificate.with_suffix(".key"))
        self._connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=PATIENCE_S, context=context)
        self.name, self._password = name, password
        self._challenge: dict[str, str] = {}
        self._count = 0

    def get(self, target: str) -> Got:
        """The answer; a target with a blank is a path and the body of a POST."""
        for _ in range(4):
            try:
                answer, body = self._ask(target)
            except ConnectionRefusedError:
                raise
            except (http.client.HTTPException, ConnectionError):  # it was idle for too long
                self._connection.close()
                continue
            if answer.status != 401 or not self._password:
                return Got(answer.status, body)
            told = "".join(f"WWW-Authenticate: {one}\r\n" for one in answer.headers.get_all("WWW-Authenticate", []))
            self._challenge, self._count = challenge_of(told.encode() + b"\r\n"), 0
        raise AssertionError(f"{self.name} gets no answer to {target}")

    def _ask(self, target: str) -> tuple[http.client.HTTPResponse, bytes]:
        path, _, body = target.partition(" ")
        method = "POST" if body else "GET"
        line = {"Content-Type": "application/json"} if body else {}
        if self._challenge:
            self._count += 1
            made = authorization(self._challenge, self.name, self._password, path, method=method, count=self._count)
            line["Authorization"] = made.removeprefix("Authorization: ")
        self._connection.request(method, path, body or None, {"Accept-Language": "en", **line})
        answer = self._connection.getresponse()
        return answer, answer.read()

    def close(self) -> None:
        self._connection.close()


def text_of(begin_us: int, port: int) -> str:
    moved_s = (begin_us + MOVED * SLOT) // 10**6
    moved, after = (f"{datetime.fromtimestamp(one, UTC):%Y-%m-%dT%H:%M:%SZ}" for one in (moved_s, moved_s + 900))
    found = TEXT.replace("2026-03-02T10:00:00Z", moved).replace("2026-03-02T10:15:00Z", after)
    for old, new in {**METERS, **CONTRACTS, **POINTS}.items():
        found = found.replace(f'"{old}"', f'"{new}"')
    return f'{found}[han]\nlisten = "127.0.0.1:{port}"\nviews = {json.dumps(list(VIEWS))}\n'


def shown(meter: str, place: int) -> int:
    """In 0.1 Wh: seven digits that tell whose time it is, and the slot. One is less than before: the log says so."""
    owner = "anna" if meter == METERS["house"] else "berta" if place <= MOVED else "carl"
    return DIGITS[owner] * 1000 + (place if place != FELL else FELL - 40)


@contextmanager
def running(folder: Path, *common: str) -> Iterator[None]:
    process = subprocess.Popen([sys.executable, "-m", "smgw", "han", *common], stdin=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        assert process.wait(PATIENCE_S) == 0


class House(NamedTuple):
    clients: dict[str, Client]
    #: Role -> address -> answer.
    reached: dict[str, dict[str, Got]]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    state: Path = tmp_path_factory.mktemp("han")
    port = free_port()
    day_us = 86_400 * 10**6
    begin_us = time.time_ns() // 1000 // day_us * day_us - 3 * day_us
    make(state, text=text_of(begin_us, port), begin_us=begin_us, value=shown)
    common = ("--config", str(state / "gateway.toml"), "--state", str(state))
    passwords = {name: added(name, common) for name in CONSUMERS}
    write_self_signed(own_files(state / "theo"), "theo", "p256", int(time.time()) - 86_400)
    assert main(["technician", *common, "add", "theo", "--certificate", str(state / "theo" / "tls.crt")]) == 0
    with running(state, *common):
        clients = {name: Client(port, name, passwords[name]) for name in CONSUMERS}
        clients["technician"] = Client(port, "technician", certificate=state / "theo" / "tls.crt")
        clients["nobody"] = Client(port, "nobody")
        wait_for(clients["nobody"])
        reached = {name: follow(client) for name, client in clients.items()}
        yield House(clients, reached)
        for client in clients.values():
            client.close()


def added(name: str, common: Iterable[str]) -> str:
    command = [sys.executable, "-m", "smgw", "consumer", *common, "add", name]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = re.search(r"password  (\S+)", done.stdout)
    assert found is not None
    return found[1]


def wait_for(client: Client) -> None:
    ends = time.monotonic() + PATIENCE_S
    while True:
        try:
            client.get("/")
            return
        except OSError:
            assert time.monotonic() < ends
            time.sleep(0.1)


def follow(client: Client) -> dict[str, Got]:
    """All addresses that this role is led to, with their answers; the nearest ones first."""
    found: dict[str, Got] = {}
    queries: Counter[str] = Counter()
    waiting = [*SEEDS, *(posted(client.name, method) for method in ("smgw-info", "user-info", "log"))]
    while waiting and len(found) < MOST:
        target = waiting.pop(0)
        action = re.search(r"action=\w+", target)
        path = target.partition("?")[0] + (action[0] if action else "")
        if target in found or queries[path] >= QUERIES:
            continue
        queries[path] += 1
        found[target] = client.get(target)
        if found[target].status == 200:
            waiting += links(target, found[target].body)
    return found


def posted(name: str, method: str, **more: str) -> str:
    return f"{THEBEN.format(name)} {json.dumps({'method': method, **more})}"


def links(target: str, body: bytes) -> Iterator[str]:
    """Addresses of a page or of JSON; of a form, each of its choices."""
    text = body.decode(errors="replace")
    if body[:1] in b"[{":
        content = json.loads(body)
        yield from told(target, content)
        yield from of_makers(target, content)
        return
    for found in re.findall(r'(?:href|src|data-url|data-src)="([^"]+)"', text):
        yield from own(target, found)
    for tag, inside in re.findall(r"<form([^>]*)>(.*?)</form>", text, re.DOTALL):
        action = re.search(r'action="([^"]*)"', tag)
        path = action[1] if action else urlsplit(target).path
        fields = dict(re.findall(r'<input[^>]*name="([^"]+)"[^>]*value="([^"]*)"', inside))
        fields.pop("tkn", "")  # another one each time
        yield from own(target, f"{path}?{urlencode(fields)}")
        for name, options in re.findall(r'<select[^>]*name="([^"]+)"[^>]*>(.*?)</select>', inside, re.DOTALL):
            for value in re.findall(r'<option[^>]*value="([^"]*)"', options):
                yield from own(target, f"{path}?{urlencode({**fields, name: html.unescape(value)})}")


def own(target: str, link: str) -> Iterator[str]:
    parts = urlsplit(urljoin(f"https://gateway{target}", html.unescape(link)))
    if parts.netloc == "gateway" and parts.scheme == "https" and "logout" not in parts.path:
        yield parts.path + (f"?{parts.query}" if parts.query else "")


def told(target: str, content: object) -> Iterator[str]:
    """Where JSON leads: ids in lists of v1, contracts of trudi."""
    if not isinstance(content, list):
        return
    for one in content:
        if target.endswith("/") and isinstance(one, dict) and "id" in one:
            yield target + quote(str(one["id"]), safe="/")
        if target == "/trudi/contracts":
            name = urlencode({"TafName": one["TafName"], "TafId": one["TafId"]})
            yield f"/trudi/current?{name}"
            times = urlencode({"Start": one["Begin"], "End": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"})
            yield f"/trudi/data?{name}&{times}"


def of_makers(target: str, content: object) -> Iterator[str]:
    """Where the JSON of EMH and of Theben leads."""
    now = datetime.now(UTC)
    if target == "/json/metering/derived/" and isinstance(content, list):
        for one in content:
            yield from (
                f"{target}{quote(one)}{more}" for more in ("", "/billingperiods/", "/billingperiods/0/extended")
            )
            yield from (f"{target}{quote(one)}{more}" for more in ("/current/extended", "/daily"))
    if target == "/json/metering/origin/" and isinstance(content, list):
        for one in content:
            yield from (f"{target}{quote(one)}{piece}" for piece in ("/extended", f"/{now:%Y-%m}/extended"))
    times = {"fromtime": f"{now - 20 * DAYS:%Y-%m-%dT%H:%M:%SZ}", "totime": f"{now:%Y-%m-%dT%H:%M:%SZ}"}
    if isinstance(content, dict) and content.get("method") == "user-info":
        path, name = target.partition(" ")[0], content["user-info"]["user-id"]
        assert path == THEBEN.format(name)
        for one in content["user-info"]["usage-points"]:
            point = {"usage-point-id": one["id"]}
            yield posted(name, "usage-point-info", **point)
            for database in ("origin", "derived", "calculated", "daily"):
                times = {
                    f"{key}time": f"{at:%Y-%m-%dT%H:%M:%SZ}" for key, at in (("from", now - 20 * DAYS), ("to", now))
                }
                yield posted(name, "readings", database=database, **point, **times)
            yield posted(name, "readings", database="origin", **{**point, "last-reading": "true"})


def digits(body: bytes) -> str:
    """The text without what separates digits."""
    return re.sub(r"(?<=\d)[.,'\u00a0\u202f ](?=\d)", "", body.decode(errors="replace"))


def of_others(name: str, target: str, body: bytes) -> list[str]:
    """What an answer says that this role may not know. What was asked for is not news."""
    text, plain = body.decode(errors="replace"), digits(body)
    asked = " ".join([target, *(value for _, value in parse_qsl(urlsplit(target).query))])
    secret = [one for other in CONSUMERS if other != name for one in SECRETS[other]]
    if name not in ("berta", "carl"):
        secret += FLAT_OWN
    if name == "technician":  # the system log is theirs, with names of meters and evaluations; readings are not
        secret = list(POINTS.values())
    found = [one for one in secret if one in text and one not in asked]
    return found + [f"a reading of {other}" for other in CONSUMERS if other != name and str(DIGITS[other]) in plain]


def test_each_view_is_reached_by_somebody(house: House) -> None:
    from smgw.han.views import load

    answered = {target for found in house.reached.values() for target, got in found.items() if got.status == 200}
    for view in (one for one in load(VIEWS) if one.name not in CLOSED):
        longer = [one for other in load(VIEWS) for one in other.prefixes if other is not view]
        mine = [
            target
            for target in answered
            if any(
                target.startswith(prefix)
                and not any(len(one) > len(prefix) and target.startswith(one) for one in longer)
                for prefix in view.prefixes
            )
        ]
        assert mine, f"no link leads to the view {view.name}: give this test an address of it in SEEDS"


@pytest.mark.parametrize("name", CONSUMERS)
def test_a_consumer_is_shown_their_own_readings(house: House, name: str) -> None:
    with_own = [target for target, got in house.reached[name].items() if str(DIGITS[name]) in digits(got.body)]
    assert any(target.startswith("/smgw/con/v1/exp/readings/") for target in with_own)
    assert any(not target.startswith(("/smgw/", "/trudi/")) for target in with_own), "the pages"


def test_the_log_books_tell_of_the_reading_that_fell(house: House) -> None:
    assert "fell from" in digits(house.reached["anna"]["/smgw/con/v1/exp/log/anna"].body)
    assert b" fell" in house.reached["technician"]["/technician/log"].body


@pytest.mark.parametrize("name", [*CONSUMERS, "technician", "nobody"])
def test_no_address_that_a_role_is_led_to_shows_anything_of_others(house: House, name: str) -> None:
    for target, got in house.reached[name].items():
        assert of_others(name, target, got.body) == [], target


@pytest.mark.parametrize("name", [*CONSUMERS, "technician"])
def test_no_address_of_others_shows_anything_of_theirs(house: House, name: str) -> None:
    own_addresses = house.reached[name]
    for other, found in house.reached.items():
        for target in found if other != name else ():
            if target not in own_addresses:
                for asked in {target, target.replace(THEBEN.format(other), THEBEN.format(name))}:
                    got = house.clients[name].get(asked)
                    assert got.status < 500, asked
                    assert of_others(name, asked, got.body) == [], (other, asked)


@pytest.mark.parametrize("name", [*CONSUMERS, "technician", "nobody"])
def test_what_is_only_for_the_first_visit_is_closed(house: House, name: str) -> None:
    for target in CLOSED.values():
        assert house.clients[name].get(target).status != 200, target


@pytest.mark.parametrize("name", CONSUMERS)
def test_what_names_another_s_thing_is_not_there(house: House, name: str) -> None:
    foreign = [one for other in CONSUMERS if other != name for one in SECRETS[other]]
    for other, found in house.reached.items():
        for target, got in found.items():
            if got.status == 200 and target not in house.reached[name] and any(one in target for one in foreign):
                asked = target.replace(THEBEN.format(other), THEBEN.format(name))
                assert house.clients[name].get(asked).status == 404, asked


@pytest.mark.parametrize("name", CONSUMERS)
def test_the_technician_s_addresses_are_closed_to_consumers(house: House, name: str) -> None:
    for target in house.reached["technician"]:
        if target.startswith("/technician/"):
            assert house.clients[name].get(target).status in (401, 403, 404), target


def test_who_is_not_logged_in_gets_static_files_alone(house: House) -> None:
    for name in (*CONSUMERS, "technician"):
        for target, got in house.reached[name].items():
            answer = house.clients["nobody"].get(target)
            if not target.startswith("/static/"):
                assert answer.status in (401, 403, 404), target
                assert answer.body != got.body or got.status != 200
