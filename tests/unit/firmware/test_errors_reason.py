"""An error of the system is told in words."""

import errno
import os
import socket
import termios

import pytest
import serial
from smgw.errors import error_number, reason


def test_a_refused_connection_is_told_without_its_number() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))  # and does not listen
        with pytest.raises(ConnectionRefusedError) as caught:
            socket.create_connection(bound.getsockname())
    assert reason(caught.value) == "Connection refused"


def test_what_a_library_wrapped_is_told_by_the_error_inside() -> None:
    with pytest.raises(serial.SerialException) as caught:
        serial.Serial("/dev/nothing-here")
    assert reason(caught.value) == os.strerror(errno.ENOENT)
    assert error_number(caught.value) == errno.ENOENT


def test_an_error_of_the_terminal_has_a_number_too() -> None:
    assert error_number(termios.error(errno.EINVAL, "Invalid argument")) == errno.EINVAL


def test_a_sentence_of_a_library_without_a_number_is_replaced() -> None:
    assert reason(serial.SerialException("device reports readiness"), "it was unplugged") == "it was unplugged"


def test_the_resolver_has_its_own_words() -> None:
    assert reason(socket.gaierror(-2, "Name or service not known")) == "Name or service not known"


def test_an_error_without_text_has_its_name() -> None:
    assert reason(TimeoutError()) == "TimeoutError"
