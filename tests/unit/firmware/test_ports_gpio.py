"""Lines of GPIO chips: the layouts against linux/gpio.h, and what a request asks the kernel for."""

import ctypes
import errno
import os
import re
from pathlib import Path

import pytest
from fake_gpio import STRUCTURES, FakeKernel
from kernel_headers import of_the_headers
from smgw.ports import LineSettings, PortBusy, PortError, PortGone, open_port
from smgw.ports.gpio import GpioLine, kernel, layouts
from smgw.profiles.checks import claimed_by, port
from smgw.profiles.gpio_line import LineName, line_name
from smgw.s0.edges import EVENT_OCTETS, Edge, EdgeReader

CHIP = "pinctrl-bcm2711"
LINE = f"gpio://{CHIP}/17"
NUMBERS = {
    "GPIO_GET_CHIPINFO_IOCTL": layouts.GET_CHIPINFO,
    "GPIO_V2_GET_LINE_IOCTL": layouts.GET_LINE,
    "GPIO_V2_LINE_GET_VALUES_IOCTL": layouts.GET_VALUES,
    "GPIO_V2_LINE_SET_VALUES_IOCTL": layouts.SET_VALUES,
    **{f"GPIO_V2_LINE_FLAG_{flag.name}": flag.value for flag in layouts.Flag},
    "sizeof(struct gpiochip_info)": layouts.CHIP_OCTETS,
    "sizeof(struct gpio_v2_line_request)": layouts.REQUEST_OCTETS,
    "sizeof(struct gpio_v2_line_values)": layouts.VALUES_OCTETS,
    "sizeof(struct gpio_v2_line_event)": EVENT_OCTETS,
}


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeKernel:
    made = FakeKernel("other", CHIP)
    monkeypatch.setattr(kernel, "KERNEL", made)
    return made


def test_numbers_and_sizes_are_those_of_the_kernels_header(tmp_path: Path) -> None:
    assert dict(zip(NUMBERS, of_the_headers(tmp_path, *NUMBERS), strict=True)) == NUMBERS


@pytest.mark.parametrize("name", STRUCTURES)
def test_the_fake_kernel_has_the_layouts_of_the_kernels_header(tmp_path: Path, name: str) -> None:
    structure = STRUCTURES[name]
    fields = [field[0] for field in structure._fields_]
    ours = [getattr(structure, field).offset for field in fields]
    assert of_the_headers(tmp_path, *(f"offsetof(struct {name}, {field})" for field in fields)) == ours
    assert of_the_headers(tmp_path, f"sizeof(struct {name})") == [ctypes.sizeof(structure)]


def test_a_line_is_found_by_the_label_of_its_chip_and_asked_for_both_edges(fake: FakeKernel) -> None:
    GpioLine.with_edges(f"{LINE}?active=low&bias=pull-up&debounce=1500").close()
    line = fake.lines[CHIP, 17]
    flags = layouts.Flag
    wanted = flags.INPUT | flags.EDGE_RISING | flags.EDGE_FALLING | flags.ACTIVE_LOW | flags.BIAS_PULL_UP
    assert line.flags == wanted
    assert (line.attributes, line.events, line.consumer) == ({3: 1500}, 1024, b"smgw")


def test_a_line_is_found_by_the_name_of_its_chip_too(fake: FakeKernel) -> None:
    GpioLine.with_edges("gpio://gpiochip1/4").close()
    assert (CHIP, 4) in fake.lines


def test_edges_come_through_a_port_as_the_kernel_gave_them(fake: FakeKernel) -> None:
    with open_port(LINE, LineSettings()) as opened:
        fake.lines[CHIP, 17].edge(1_000, active=True)
        fake.lines[CHIP, 17].edge(2_000, active=False)
        assert opened.wait(30)
        assert EdgeReader().receive(opened.read()) == [Edge(1000, True, 1), Edge(2000, False, 2)]
        assert opened.read() == b""
        assert not opened.paced


def test_a_chip_that_goes_away_is_a_port_that_is_gone(fake: FakeKernel) -> None:
    with open_port(LINE, LineSettings()) as opened:
        fake.lines[CHIP, 17].unplug()
        with pytest.raises(PortGone):
            opened.read()


def test_an_output_is_inactive_at_first_and_then_driven(fake: FakeKernel) -> None:
    line = GpioLine.output(f"{LINE}?active=low&bias=pull-up")
    requested = fake.lines[CHIP, 17]
    assert requested.flags == layouts.Flag.OUTPUT | layouts.Flag.ACTIVE_LOW
    assert requested.attributes == {2: 0}
    line.set(active=True)
    assert line.active
    line.set(active=False)
    assert not line.active
    line.close()
    line.close()


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.EBUSY, "another program, or the kernel, uses line 17"),
        (errno.EINVAL, "refuses these options"),
        (errno.ENOTTY, "Linux 5.10"),
        (errno.EPERM, "cannot be requested"),
    ],
)
def test_a_refused_line_says_why(fake: FakeKernel, number: int, words: str) -> None:
    fake.refuses = number
    with pytest.raises(PortError, match=words) as caught:
        open_port(LINE, LineSettings())
    assert isinstance(caught.value, PortBusy) == (number == errno.EBUSY)


@pytest.mark.usefixtures("fake")
@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("gpio://pinctrl-rp1/17", "there is no chip pinctrl-rp1; there are other (gpiochip0, 54 lines)"),
        (f"gpio://{CHIP}/54", "has the lines 0 to 53"),
    ],
)
def test_a_wrong_name_says_what_there_is(url: str, words: str) -> None:
    with pytest.raises(PortError, match=re.escape(words)):
        GpioLine.with_edges(url)


def test_without_a_chip_the_fault_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel, "KERNEL", FakeKernel())
    with pytest.raises(PortError, match="there is no GPIO chip at all"):
        GpioLine.with_edges(LINE)


def test_a_device_that_is_no_chip_is_refused_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    class Odd(kernel.Linux):
        def chips(self) -> list[str]:
            return [os.devnull]

    monkeypatch.setattr(kernel, "KERNEL", Odd())
    with pytest.raises(PortError, match="no chip pinctrl-bcm2711 can be opened"):
        GpioLine.with_edges(LINE)


def test_a_url_has_chip_line_and_options() -> None:
    assert line_name(f"{LINE}?active=low&bias=none&debounce=0") == LineName(CHIP, 17, active_low=True, bias="none")


@pytest.mark.parametrize(
    "url", ["gpio://17", f"gpio://{CHIP}", f"{LINE}?active=on", f"{LINE}?debounce=2000000", f"{LINE}?pull=up"]
)
def test_a_wrong_url_is_a_fault_of_the_file(url: str) -> None:
    told: list[str] = []
    assert port(url, lambda text, *_: told.append(text)) is None
    assert len(told) == 1


def test_options_do_not_make_another_line() -> None:
    assert claimed_by(f"{LINE}?active=low") == claimed_by(LINE)
    assert claimed_by("gpio://header/17") == claimed_by("gpio://pinctrl-rp1/17") != claimed_by("gpio://pinctrl-rp1/18")
