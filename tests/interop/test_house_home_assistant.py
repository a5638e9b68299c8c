"""A real Home Assistant, unmodified: live values over MQTT, and the P1 port through its DSMR integration.

It needs Python 3.13 and some 200 packages, so `make setup` does not install it. To run this test:

    python3.13 -m venv ha && ha/bin/pip install homeassistant==2025.4.4 paho-mqtt==2.1.0 dsmr-parser==1.4.2
    SMGW_HOME_ASSISTANT=ha/bin/hass .venv/bin/python -m pytest tests/interop/test_house_home_assistant.py
"""

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from broker import broker, free_port, missing, wait_until
from captures_made import DEVICE, MIDNIGHT, POWER, capture, energy
from smgw.cosem import Data, DataType, Obis, Reading
from smgw.profiles.toml_importer import parse
from smgw.services.han_live import LiveOutlets
from smgw.store import paths
from smgw.store.live import LiveWriter

HOME_ASSISTANT = os.environ.get("SMGW_HOME_ASSISTANT", "")
pytestmark = [
    missing,
    pytest.mark.skipif(not HOME_ASSISTANT, reason="set SMGW_HOME_ASSISTANT to the program hass; this file says how"),
]
CONFIGURATION = "homeassistant:\n  name: test\n  time_zone: Europe/Berlin\nstates_to_file:\n"
#: A component of our own that writes every new state into a file, so that the test needs no login.
COMPONENT = """\
import json
from homeassistant.core import callback


async def async_setup(hass, config):
    def opened():
        return open(hass.config.path("states.jsonl"), "a", buffering=1)

    states = await hass.async_add_executor_job(opened)

    @callback
    def changed(event):
        new = event.data.get("new_state")
        if new is not None:
            told = {name: str(value) for name, value in new.attributes.items()}
            states.write(json.dumps([new.entity_id, new.state, told]) + "\\n")

    hass.bus.async_listen("state_changed", changed)
    return True
"""
MANIFEST = {
    "domain": "states_to_file", "name": "states", "version": "1.0.0", "requirements": [], "codeowners": [],
    "documentation": "", "iot_class": "local_push",
}  # fmt: skip


def entry(domain: str, data: dict[str, Any], minor_version: int) -> dict[str, Any]:
    """An integration that a person has set up."""
    then = "2026-01-01T00:00:00+00:00"
    return {
        "created_at": then, "modified_at": then, "data": data, "disabled_by": None, "discovery_keys": {},
        "domain": domain, "entry_id": f"entry-{domain}", "version": 1, "minor_version": minor_version, "options": {},
        "pref_disable_new_entities": False, "pref_disable_polling": False, "source": "user", "subentries": [],
        "title": domain, "unique_id": None,
    }  # fmt: skip


def prepare(folder: Path, broker_port: int, p1_port: int) -> None:
    component = folder / "custom_components" / "states_to_file"
    component.mkdir(parents=True)
    (component / "__init__.py").write_text(COMPONENT)
    (component / "manifest.json").write_text(json.dumps(MANIFEST))
    (folder / "configuration.yaml").write_text(CONFIGURATION)
    mqtt = {"broker": "127.0.0.1", "port": broker_port, "discovery": True, "discovery_prefix": "homeassistant"}
    dsmr = {
        "host": "127.0.0.1", "port": p1_port, "dsmr_version": "5", "protocol": "dsmr_protocol",
        "serial_id": b"1EMH0011802881".hex().upper(), "serial_id_gas": None,
    }  # fmt: skip
    entries = [entry("mqtt", mqtt, 2), entry("dsmr", dsmr, 1)]
    (folder / ".storage").mkdir()
    (folder / ".storage" / "core.config_entries").write_text(
        json.dumps({"version": 1, "minor_version": 5, "key": "core.config_entries", "data": {"entries": entries}})
    )


@contextmanager
def home_assistant(folder: Path) -> Iterator[None]:
    with (folder / "hass.log").open("wb") as log:
        running = subprocess.Popen([HOME_ASSISTANT, "-c", str(folder)], stdout=log, stderr=log)
    try:
        yield
    finally:
        running.terminate()
        running.wait(60)


def states(folder: Path) -> dict[str, tuple[str, dict[str, str]]]:
    """Entity -> state and attributes."""
    file = folder / "states.jsonl"
    lines = file.read_text().splitlines() if file.exists() else []
    return {entity: (state, told) for entity, state, told in map(json.loads, lines)}


def test_home_assistant_shows_the_values_of_both_ways(tmp_path: Path) -> None:
    folder, live, p1_port = tmp_path / "ha", paths.live_directory(tmp_path), free_port()
    with broker(tmp_path / "broker") as mosquitto, ExitStack() as stack:
        prepare(folder, mosquitto.port, p1_port)
        live.parent.mkdir(parents=True)
        writer = LiveWriter(live, {"house": "/dev/ttyUSB0"})
        outlets = LiveOutlets(tmp_path)
        stack.callback(outlets.stop)
        outlets.apply(
            parse(
                '[gateway]\ndevice_id = "ESMG0000000001"\n[[meter]]\nname = "house"\nprotocol = "sml-push"\n'
                f'port = "/dev/ttyUSB0"\n[han.mqtt]\nurl = "mqtt://127.0.0.1:{mosquitto.port}"\n'
                f'[han.p1]\nlisten = "127.0.0.1:{p1_port}"\n',
                "gateway.toml",
            )
        )
        stack.enter_context(home_assistant(folder))
        number = 0

        def shown() -> bool:
            nonlocal number
            number += 1
            writer.capture(
                capture(
                    MIDNIGHT + number * 1_000_000, energy(12_345_670), Reading(POWER, Data(DataType.LONG, -412), 0, 27),
                    Reading(Obis.parse("32.7.0"), Data(DataType.LONG, 2301), -1, 35),
                )
            )  # fmt: skip
            found = states(folder)
            return all(found.get(one, ("unknown",))[0] not in ("unknown", "unavailable") for one in wanted)

        mqtt = "sensor.house_1emh0011802881"
        wanted = {
            f"{mqtt}_energy_import_1_0_1_8_0": ("1234.567", "kWh", "energy", "total_increasing"),
            f"{mqtt}_power_balance_1_0_16_7_0": ("-412", "W", "power", "measurement"),
            f"{mqtt}_voltage_l1_1_0_32_7_0": ("230.1", "V", "voltage", "measurement"),
            "sensor.electricity_meter_energy_consumption_tarif_1": ("1234.567", "kWh", "energy", "total_increasing"),
            "sensor.electricity_meter_power_production": ("0.412", "kW", "power", "measurement"),
        }
        wait_until(shown, 180)
        found = states(folder)
        energy_entity = f"{mqtt}_energy_import_1_0_1_8_0"
        writer.left("house", DEVICE)  # empty messages take the values back
        wait_until(lambda: "valid" not in states(folder)[energy_entity][1])
        assert not [line for line in (folder / "hass.log").read_text().splitlines() if ".mqtt" in line], "complaints"
    for entity, (value, unit, kind, counting) in wanted.items():
        state, told = found[entity]
        assert (Decimal(state), told["unit_of_measurement"], told["device_class"], told.get("state_class")) == (
            Decimal(value), unit, kind, counting,
        )  # fmt: skip
    assert found[energy_entity][1]["valid"] == "True"
