"""The set-up in a real browser, over TLS, from the code to the first login."""

import json
from pathlib import Path

import axe
import browser
import han_server
import pytest
from captures_made import MIDNIGHT
from registering import Clock
from smgw.cli import main
from smgw.han.around import Around
from smgw.han.certificate import self_signed
from smgw.han.house import House
from smgw.han.set_up.desk import Known, SetUp, make_code
from smgw.han.set_up.orders import ORDER, parse
from smgw.han.views import setup, static
from smgw.profiles.toml_importer import load
from smgw.store import paths
from smgw.store.han.store import HanStore
from smgw.store.han.view import HanView
from smgw.store.lmn.store import LmnStore
from smgw.store.lmn.view import LmnView
from smgw.trust.han_tls import server_context

pytestmark = pytest.mark.skipif(
    browser.CHROMIUM is None, reason="THE SET-UP WAS NOT TESTED IN A BROWSER: no chromium (Debian package chromium)"
)

NEW = """\
[gateway]
device_id = "ESMG0000000001"
system_clock = true
[han]
[[meter]]
name = "house"
protocol = "sml-push"
port = "/dev/smgw/name-of-your-head"
"""
FOUND = [
    {"name": "emh-1234", "device": "1EMH0011801234", "protocol": "sml-push", "port": "/dev/smgw/serial-1"},
    {"name": "meter-1", "device": "", "protocol": "dlms", "port": "/dev/smgw/serial-2"},
]


class Gateway:
    """A gateway that nobody has set up, and the answers of its helper."""

    def __init__(self, folder: Path) -> None:
        self.config, self.state = folder / "gateway.toml", folder / "state"
        self.config.write_text(NEW)
        self.order = paths.han_directory(self.state) / ORDER
        self.order.parent.mkdir(parents=True)
        with LmnStore.open(paths.lmn_directory(self.state), ballast_bytes=0) as store:
            store.flush(now=True)
        with HanStore.open(paths.han_directory(self.state)):
            pass
        self.known = Known()

    def ask(self, view, request):
        with LmnView.open(paths.lmn_directory(self.state)) as opened:
            house = House(opened, None, load(self.config), list, lambda: MIDNIGHT)
            house.around = Around(set_up=SetUp(self.state, self.config, Clock().stamp, self.known))
            return view.answer(request, house)

    def scanned(self) -> None:
        """As the helper answers a scan."""
        order = parse(self.order.read_bytes())
        self.order.unlink()
        place = paths.run_directory(self.state) / "setup"
        place.mkdir(parents=True)
        tables = [{"protocol": one["protocol"], "port": one["port"]} for one in FOUND]
        found = [{**one, "table": table} for one, table in zip(FOUND, tables, strict=True)]
        (place / "found.json").write_text(json.dumps(found))
        told = {"id": order.id, "state": "done", "text": "/dev/ttyUSB2: no meter was found", "meters": FOUND}
        (place / "answer.json").write_text(json.dumps(told))

    def written(self) -> None:
        """The helper itself."""
        assert main(["setup", "--order", "--config", str(self.config), "--state", str(self.state)]) == 0


@pytest.mark.shows_secrets
@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, True)], ids=["wide", "phone"])
def test_from_the_code_to_the_first_login(tmp_path, width, dark):
    script = axe.source()
    gateway = Gateway(tmp_path)
    context = server_context(self_signed(paths.han_directory(gateway.state), "ESMG0000000001"))
    with (
        han_server.serving([setup.VIEW, static.VIEW], ask=gateway.ask, context=context) as server,
        browser.running() as chromium,
    ):
        page = chromium.page(width, dark=dark, phone=width < 500)
        page.send("Security.setIgnoreCertificateErrors", ignore=True)
        address = f"https://localhost:{server.port}/setup"

        def shown(text: str) -> None:
            page.wait(f"document.body.innerText.includes({json.dumps(text)})")
            page.wait("document.readyState === 'complete'")
            assert axe.serious(page, script) == []
            page.screenshot(tmp_path / f"{text[:12]}.png")

        def press(button: str) -> None:
            page.evaluate(f"document.querySelector({json.dumps(button)}).click()")

        page.open(address)
        page.evaluate("document.getElementById('code').value = 'wrong'")
        press("main button")
        shown("This is not the code.")
        page.evaluate(f"document.getElementById('code').value = '{make_code(gateway.state)}'")
        press("main button")
        shown("Look for meters")
        press("main button")
        shown("The gateway is at work.")
        gateway.scanned()
        shown("Look for meters again")  # the page renews itself
        page.evaluate("document.getElementById('name-1').value = 'house'")
        page.evaluate("document.getElementById('servers').value = 'no host!'")
        press("[value=write]")
        shown("The gateway is at work.")
        gateway.written()
        shown("Nothing was written")
        assert gateway.config.read_text() == NEW
        press("[value=write]")  # the proposals of the page: system's clock, all meters
        shown("The gateway is at work.")
        gateway.written()
        shown("The gateway is set up")
        press("main button")
        shown("Password")
        assert page.faults == ["Failed to load resource: the server responded with a status of 403 (Forbidden)"]
    with HanView.open(paths.han_directory(gateway.state)) as view:
        assert [one.name for one in view.accounts()] == ["consumer-1"]
    written = load(gateway.config)
    assert [one.name for one in written.meters] == ["emh-1234", "meter-1"]
    assert written.gateway.ntp == ()
