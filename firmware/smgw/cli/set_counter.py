"""`smgw set-counter`: give the gateway the reading of a dial whose pulses it counts."""

import argparse
import time

from smgw.cli.numbers import seconds
from smgw.errors import SmgwError
from smgw.profiles.s0 import S0Profile, number
from smgw.profiles.toml_importer import load
from smgw.s0.dial import Dial
from smgw.services.process import set_up_logging
from smgw.store import paths
from smgw.store.file.lock import owner_running
from smgw.store.lmn.pulses import order_count, state

_EPILOG = """\
A gateway that counts pulses misses those that come while it has no power. This command corrects the count.
The running gateway takes the value within some seconds, and logs the old and the new one (smgw log).
If no gateway runs, it takes the value at the next start. Values stored before stay as they are.
VALUE is what the dial shows, in the unit of the profile: kWh, MWh, m³ or GJ.
Exit code 0 if the value was taken or waits for the start, 1 if the running gateway did not take it in time.
"""
_LOOK_S = 0.5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which meter, and its dial."""
    parser.add_argument("meter", metavar="METER", help="name of a meter whose pulses are counted")
    parser.add_argument("value", metavar="VALUE", help="what its dial shows, such as 12345.678")
    parser.add_argument(
        "--seconds", type=seconds, default=20.0, metavar="S", help="how long to wait (default %(default)s)"
    )
    parser.set_defaults(log_level="warning")
    parser.epilog = _EPILOG


def run(arguments: argparse.Namespace) -> int:
    """Order, wait until the gateway has taken it, print the old and the new value."""
    set_up_logging(arguments.log_level)
    meter = arguments.meter
    options = _options(arguments)
    dial = Dial(options.pulses, options.quantity)
    if (given := number(arguments.value)) is None:
        raise SmgwError(f"{arguments.value!r} is no reading of a dial; write a number such as 12345.678")
    count = dial.count(*given)
    directory = paths.lmn_directory(arguments.state)
    before, _ = state(directory, meter)
    order = order_count(directory, meter, count)
    if not owner_running(paths.lock_of(directory / paths.LMN)):
        print(f"meter {meter}: {dial.text(count)} counts from the next start; the gateway does not run")
        return 0
    ends = time.monotonic() + arguments.seconds
    while True:
        now, waiting = state(directory, meter)
        if now is not None and now[1] >= order and (waiting is None or waiting[0] > order):
            break
        if time.monotonic() > ends:
            print(f"meter {meter}: the gateway has not taken the value yet; is this meter in its configuration?")
            return 1
        time.sleep(_LOOK_S)
    was = "never counted" if before is None else dial.text(before[0])
    print(f"meter {meter}: was {was}, is set to {dial.text(count)}")
    return 0


def _options(arguments: argparse.Namespace) -> S0Profile:
    configuration = load(arguments.config)
    names = [one.name for one in configuration.meters if isinstance(one.options, S0Profile)]
    if arguments.meter not in names:
        raise SmgwError(
            f"{arguments.config} has no meter {arguments.meter!r} whose pulses are counted; "
            f"it has {', '.join(names) or 'none'}"
        )
    options = configuration.meter(arguments.meter).options
    assert isinstance(options, S0Profile)
    return options
