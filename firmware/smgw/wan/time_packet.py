"""One exchange of NTP (RFC 5905): the request, and what its answer is worth, whatever carries it.

ntplib codes and decodes the packets. The transmit timestamp of a request is a random number, and only an answer that
repeats it is accepted. Moments are those of CLOCK_BOOTTIME, which cannot be stepped.
"""

import secrets
from enum import StrEnum
from typing import NamedTuple

import ntplib

from smgw.clock.sample import TimeSample

PACKET_OCTETS = 48
ROUND_TRIP_LIMIT_S = 9  # detail specification to TR-03109-1, chapter 14: discard beyond
ROOT_DISTANCE_LIMIT_S = 16  # RFC 5905, 7.2, MAXDISP: who may be off by more knows nothing

_KISSES = frozenset({b"DENY", b"RSTR", b"RATE"})  # RFC 5905, 7.4: those that ask a client to stop
_ERA_S = 1 << 32  # NTP's seconds wrap in 2036; we read them as a time
_FIRST_UTC_S = 1_577_836_800  # from 2020 on


class Refusal(StrEnum):
    """Why an exchange gave no sample."""

    UNRESOLVED = "its name cannot be resolved"
    UNREACHABLE = "it cannot be reached"
    CLOSED = "nothing gives the time on its port"
    SILENT = "it does not answer"
    GARBAGE = "what it answers is no answer to an NTP request"
    KISS_OF_DEATH = "it asks not to be asked (kiss of death)"
    UNSYNCHRONISED = "its own clock is not synchronised"
    IMPRECISE = "it says that it may be off by 16 s or more"
    SLOW = "its answer took more than 9 s"
    INCONSISTENT = "its timestamps contradict each other"
    STOPPED = "the gateway is stopping"
    # Over TLS
    UNPREPARED = "the trust folder is not ready for it"
    UNTRUSTED = "it is not believed"
    CUT_OFF = "it closed the connection; its log may say why, such as a certificate of ours that it refuses"
    EXPIRED = "a certificate or revocation list is out of date"
    UNPROVEN = "a certificate or revocation list is not valid at the time that it gives: out of date, or a wrong time"
    FALSE_TIME = "a certificate or revocation list is valid now, but not at the time that it gives: its clock is wrong"
    PAST = "it gives a time before a revocation list was made"
    CLOCKS_DIFFER = (
        "its certificate is valid at the time that it gives, but not at the gateway's: one of the clocks is wrong. "
        "If it is the gateway's, restart the board"
    )


class Refused(NamedTuple):
    """A refusal with its details. Two with the same refusal and kind are the same for people."""

    refusal: Refusal
    detail: str = ""
    kind: str = ""


def request() -> bytes:
    """The 48 octets of a client: nothing but version, mode and a random transmit timestamp."""
    number = secrets.randbits(51)  # a float, ntplib's timestamp, holds 53 bits
    packed: bytes = ntplib.NTPPacket(version=4, mode=3, tx_timestamp=number / (1 << 19)).to_data()
    return packed


class Exchange(NamedTuple):
    """One request and answer: the answer's octets, and BOOTTIME before sending and after receiving."""

    transmit: bytes  # the request's transmit timestamp, 8 octets, which the answer repeats as origin
    answer: bytes
    sent_ns: int
    received_ns: int


def judge(exchange: Exchange, boot_id: str, source: str) -> TimeSample | Refusal:
    """Make a sample of an exchange, or return the reason why not (RFC 5905, 8 and 9.2; detail specification, ch. 14).

    The offset is the server's mean time minus BOOTTIME's mean. Its dispersion is the server's own (half its root delay,
    its root dispersion, its precision) plus half of the round trip, because the two directions may differ.
    """
    packet = ntplib.NTPStats()
    if len(exchange.answer) < PACKET_OCTETS or exchange.answer[24:32] != exchange.transmit:
        return Refusal.GARBAGE
    packet.from_data(exchange.answer)
    if packet.version < 4 or packet.mode != 4:
        return Refusal.GARBAGE
    if packet.stratum == 0 and exchange.answer[12:16] in _KISSES:
        return Refusal.KISS_OF_DEATH
    if packet.leap == 3 or not 1 <= packet.stratum <= 15:
        return Refusal.UNSYNCHRONISED
    precision_s = 2.0**packet.precision
    root_distance_s = packet.root_delay / 2 + packet.root_dispersion + precision_s
    if root_distance_s >= ROOT_DISTANCE_LIMIT_S:
        return Refusal.IMPRECISE
    round_trip_ns = exchange.received_ns - exchange.sent_ns
    if round_trip_ns > ROUND_TRIP_LIMIT_S * 1_000_000_000:
        return Refusal.SLOW
    received, transmitted = packet.recv_timestamp, packet.tx_timestamp
    held_ns = round((transmitted - received) * 1_000_000_000)
    slack_ns = round(precision_s * 1_000_000_000) + 1_000_000  # two clocks, neither of them perfect
    if not received or not -slack_ns <= held_ns <= round_trip_ns + slack_ns:
        return Refusal.INCONSISTENT
    if packet.ref_timestamp and (transmitted - packet.ref_timestamp) % _ERA_S > _ERA_S / 2:
        return Refusal.INCONSISTENT  # last set after it answered
    utc_us = round(((received + transmitted) / 2 - ntplib.NTP.NTP_DELTA) * 1_000_000)
    if utc_us < _FIRST_UTC_S * 1_000_000:
        utc_us += _ERA_S * 1_000_000
    middle_ns = (exchange.sent_ns + exchange.received_ns) // 2
    delay_us = max(0, round_trip_ns - held_ns) / 1000
    dispersion_us = round(root_distance_s * 1_000_000 + delay_us / 2) + 1
    return TimeSample(boot_id, exchange.received_ns, utc_us - middle_ns // 1000, dispersion_us, source)
