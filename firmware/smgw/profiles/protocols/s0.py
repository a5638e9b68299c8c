"""S0 pulses on a line of a GPIO chip (EN 62053-31), and those of reed contacts at gas, water and heat meters."""

from smgw.profiles import s0
from smgw.profiles.protocol import Protocol, Section

PROTOCOL = Protocol(
    name="s0",
    polled=True,
    meter="smgw.lmn.s0.counting:S0Meter",
    keys=("interval",),
    section=Section("s0", s0.KEYS, s0.build, s0.contradictions),
    contradictions=s0.port,
    on_gpio=True,
)
