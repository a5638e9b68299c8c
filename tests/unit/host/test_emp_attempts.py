"""Guessing the password: each wrong one delays its peer, is logged, and keeps no other peer out."""

import asyncio
import base64
import contextlib
import logging
from types import SimpleNamespace

import pytest
from emp.web import password
from emp.web.attempts import Attempts
from emp.web.guard import Guard
from smgw.webservice.error import ServiceUnavailable, Unauthorized

SECRET = "correct horse"


def request(peer, candidate):
    header = "Basic " + base64.b64encode(f"u:{candidate}".encode()).decode()
    known = {"peername": (peer, 1234)}
    return SimpleNamespace(headers={"Authorization": header}, get_extra_info=known.get)


@pytest.fixture
def guard(tmp_path):
    password.write(tmp_path / "key", SECRET)
    made = Guard(password.read(tmp_path / "key"))
    yield made
    made.close()


def test_the_delay_begins_after_three_wrong_passwords_and_doubles_up_to_half_a_minute():
    attempts = Attempts(lambda: 100.0)
    delays = []
    for _ in range(12):
        attempts.failed("guesser")
        delays.append(attempts.delay("guesser"))
    assert delays == [0, 0, 0.5, 1, 2, 4, 8, 16, 30, 30, 30, 30]
    assert attempts.delay("another") == 0


def test_the_delay_passes_and_is_forgotten():
    now = [0.0]
    attempts = Attempts(lambda: now[0])
    for _ in range(5):
        attempts.failed("guesser")
    now[0] = 1.5
    assert attempts.delay("guesser") == 0.5
    now[0] = 2.5
    assert attempts.delay("guesser") == 0
    assert attempts.has_failed("guesser")
    now[0] = 1000.0
    assert not attempts.has_failed("guesser")
    assert attempts.failed("guesser") == 1


def test_the_right_password_ends_the_delay():
    attempts = Attempts(lambda: 0.0)
    for _ in range(5):
        attempts.failed("peer")
    attempts.succeeded("peer")
    assert attempts.delay("peer") == 0


def test_the_memory_for_guessers_is_bounded():
    attempts = Attempts(lambda: 0.0)
    for number in range(10_100):
        attempts.failed(str(number))
    assert len(attempts._wrong) == 10_000
    assert attempts.has_failed("10099")


def test_the_right_user_gets_in_while_24_others_guess_from_one_address(guard):
    async def guess(number):
        with contextlib.suppress(Unauthorized, ServiceUnavailable):
            await guard.admit(request("192.0.2.66", f"guess {number}"))

    async def attack():
        guesses = [asyncio.create_task(guess(number)) for number in range(24)]
        await asyncio.sleep(0)
        await guard.admit(request("192.0.2.1", SECRET))
        for running in guesses:
            running.cancel()
        await asyncio.gather(*guesses, return_exceptions=True)

    asyncio.run(attack())


def test_who_guesses_has_no_part_of_the_slot_of_others(guard):
    async def guess():
        with pytest.raises(Unauthorized):
            await guard.admit(request("192.0.2.66", "guess"))
        guard._suspected._checks = 100  # it is as full as can be
        with pytest.raises(ServiceUnavailable):
            await guard.admit(request("192.0.2.66", "guess"))
        await guard.admit(request("192.0.2.1", SECRET))

    asyncio.run(guess())


def test_a_wrong_password_is_logged_with_its_address_but_not_a_line_each(guard, caplog):
    caplog.set_level(logging.WARNING)

    async def guess():
        for number in range(3):
            with pytest.raises(Unauthorized):
                await guard.admit(request("192.0.2.66", f"guess {number}"))

    asyncio.run(guess())
    assert [record.getMessage() for record in caplog.records] == ["a wrong password from 192.0.2.66, 1 in a row"]
