"""A street of meters that a radio stick hears, from smsim through gateway and head-end."""

from pathlib import Path

from testbed import Chain, free_port, wait_until

KEY = "000102030405060708090a0b0c0d0e0f"
METERS = {
    "water": ("20000007", "ELS", "water", "8ELS0120000007", "mode-7"),
    "heat": ("20000009", "KAM", "heat", "6KAM0120000009", "ctr"),
    "flat": ("20000005", "SEN", "hot-water", "9SEN0120000005", "mode-5"),
    "gas": ("20000001", "ELS", "gas", "7ELS0120000001", "none"),
}


def line(number: int) -> tuple[str, str]:
    """The stick of the simulator, which hears a stranger too, and the line of the gateway."""
    faults = "damaged = 10, repeated = 3, replayed = 3, wrong_key = 10"
    simulated = f'[[radio]]\nport = "tcp-push:{number}"\nstick = "im871a"\nfaults = {{ {faults} }}\n'
    simulated += '[[radio.meter]]\nname = "stranger"\nid = "99999999"\ninterval = 0.5\n'
    gateway = f'[[line]]\nname = "street"\nprotocol = "wmbus"\nport = "socket://127.0.0.1:{number}"\n'
    for name, (id_, maker, medium, _, security) in METERS.items():
        sealed = security != "none"
        key = f'security = "{security}"\nkey = "{KEY}"\n' if sealed else ""
        simulated += f'[[radio.meter]]\nname = "{name}"\nid = "{id_}"\nmaker = "{maker}"\nmedium = "{medium}"\n'
        simulated += f"start = 5\ninterval = 0.7\n{key}"
        named = ', encryption_key_file = "street.key"' if sealed else ""
        gateway += f'[[meter]]\nname = "{name}"\nline = "street"\nwmbus = {{ id = "{id_}"{named} }}\n'
    return simulated, gateway


def test_meters_of_one_stick_arrive_at_the_emp_whatever_is_killed(tmp_path: Path) -> None:
    with Chain(tmp_path, []) as chain:
        simulated, gateway = line(free_port())
        key = tmp_path / "street.key"
        key.write_text(KEY + "\n")
        key.chmod(0o600)
        chain.meters_file.write_text(chain.meters_file.read_text() + simulated)
        chain.gateway_file.write_text(chain.gateway_file.read_text() + gateway)
        chain.start()

        def rows(meter: str) -> int:
            return len(chain.captures(meter))

        wait_until(lambda: all(rows(one) >= 3 for one in METERS), 90, "a meter is not read")
        chain.lmn.kill()
        chain.lmn.start()
        before = {one: rows(one) for one in METERS}
        wait_until(lambda: all(rows(one) >= before[one] + 2 for one in METERS), 90, "after the kill nothing is read")
        chain.drain()
        assert sorted(chain.emp_keys()) == sorted(chain.store_keys()), "each row once"
        for name, (_, _, _, device, _) in METERS.items():
            assert chain.get(f"/devices/{device}.sm.json"), f"{name} has not arrived"
        text = chain.lmn.text()
        assert "the key does not fit" in text
        assert "an old one; if the meter was reset" in text
        assert "99999999" not in text, "strangers are passed over"
