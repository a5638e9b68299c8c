"""Gateway time: boot id, CLOCK_BOOTTIME, offset samples, discipline, quality.

The WAN process takes samples of UTC minus CLOCK_BOOTTIME; the LMN process feeds them to its `GatewayClock` and stamps
every capture with it. Both identify moments by boot id and CLOCK_BOOTTIME, which cannot be set. So a step of the system
clock has no effect on them.
"""

from smgw.clock.event import ClockEvent, ClockEventKind
from smgw.clock.gateway_clock import Floor, GatewayClock, Saved
from smgw.clock.sample import TimeSample
from smgw.clock.source import Source, SystemSource

__all__ = ["ClockEvent", "ClockEventKind", "Floor", "GatewayClock", "Saved", "Source", "SystemSource", "TimeSample"]
