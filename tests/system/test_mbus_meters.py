"""Meters behind one M-Bus converter, from smsim through gateway and head-end."""

from pathlib import Path

from testbed import Chain, free_port, wait_until

METERS = {
    "heat": ("66660205", "LUG", "heat", "6LUG0166660205", 1),
    "water": ("14839120", "KAM", "water", "8KAM0114839120", 2),
    "gas": ("20212223", "ELS", "gas", "7ELS0120212223", 8),
    "attic": ("31323334", "SEN", "hot-water", "9SEN0131323334", 1),
}
ALLOWED = 2  # read-outs that the battery in the attic allows


def line(number: int) -> tuple[str, str]:
    """The line of the simulator and that of the gateway. Two meters have one primary address."""
    simulated = f'[[mbus]]\nport = "tcp:{number}"\nfaults = {{ noise = true, wrong_octet = 20 }}\n'
    gateway = f'[[line]]\nname = "cellar"\nprotocol = "mbus"\nport = "socket://127.0.0.1:{number}"\n'
    for name, (id_, maker, medium, _, interval) in METERS.items():
        simulated += (
            f'[[mbus.meter]]\nname = "{name}"\nid = "{id_}"\nmaker = "{maker}"\nmedium = "{medium}"\nstart = 5\n'
        )
        simulated += f"two_telegrams = true\nbad_record = true\nbattery = {ALLOWED if name == 'attic' else 0}\n"
        gateway += f'[[meter]]\nname = "{name}"\nline = "cellar"\ninterval = {interval}\nregistration_period = 0\n'
        gateway += f'timeout = 3\nretries = 4\nmbus = {{ secondary = "{id_}" }}\n'
    return simulated, gateway


def test_meters_of_one_bus_arrive_at_the_emp_whatever_is_killed(tmp_path: Path) -> None:
    with Chain(tmp_path, []) as chain:
        simulated, gateway = line(free_port())
        chain.meters_file.write_text(chain.meters_file.read_text() + simulated)
        chain.gateway_file.write_text(chain.gateway_file.read_text() + gateway)
        chain.start()

        def rows(meter: str) -> int:
            return len(chain.captures(meter))

        wait_until(lambda: all(rows(one) >= 2 for one in METERS if one != "attic"), 60, "a meter is not read")
        chain.lmn.wait_for("read too often")
        chain.lmn.kill()
        chain.lmn.start()
        before = rows("gas")
        wait_until(lambda: rows("gas") >= before + 1, 60, "after the kill nothing is read")
        chain.drain()
        assert sorted(chain.emp_keys()) == sorted(chain.store_keys()), "each row once"
        assert 1 <= rows("attic") <= ALLOWED, "the meter that was read too often rests"
        assert rows("heat") > rows("gas"), "each at its own interval"
        for name, (_, _, _, device, _) in METERS.items():
            assert chain.get(f"/devices/{device}.sm.json"), f"{name} has not arrived"


def test_a_meter_that_calls_is_acknowledged_and_its_encrypted_telegrams_arrive(tmp_path: Path) -> None:
    with Chain(tmp_path, []) as chain:
        key, port = bytes(range(16)).hex(), tmp_path / "amis"
        (tmp_path / "amis.key").write_text(key)
        (tmp_path / "amis.key").chmod(0o600)
        chain.meters_file.write_text(
            f'{chain.meters_file.read_text()}[[mbus]]\nport = "pty:{port}"\nbaud = 9600\ncalls = true\nkey = "{key}"\n'
            'faults = { lost_answer = 8, wrong_octet = 8 }\n[[mbus.meter]]\nname = "amis"\nid = "12345678"\n'
            'maker = "SAM"\nmedium = "electricity"\nstart = 960\n'
        )
        chain.gateway_file.write_text(
            f'{chain.gateway_file.read_text()}[[meter]]\nname = "amis"\nprotocol = "mbus-push"\nport = "{port}"\n'
            'registration_period = 0\nmbus = { encryption_key_file = "amis.key" }\n'
        )
        chain.start()
        wait_until(lambda: len(chain.captures("amis")) >= 5, 60, "the meter is not read")
        chain.lmn.kill()
        chain.lmn.start()
        before = len(chain.captures("amis"))
        wait_until(lambda: len(chain.captures("amis")) >= before + 3, 60, "after the kill nothing is read")
        live = chain.smgw("read")
        chain.drain()
        assert live.returncode == 0
        assert "1-0:1.8.0" in live.stdout
        assert sorted(chain.emp_keys()) == sorted(chain.store_keys()), "each row once"
        assert chain.get("/devices/1SAM0112345678.sm.json")
