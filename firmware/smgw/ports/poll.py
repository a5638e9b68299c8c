"""Waits for octets on many descriptors, in one thread."""

import select

from smgw.ports.wake import Wake

_ONCE = select.EPOLLIN | select.EPOLLONESHOT


class Poll:
    """The descriptors of one thread. Only `wake` may be called from other threads.

    A descriptor is reported once, however many octets come, and again only after `listen`. So the rest of a telegram
    ends no wait. A port that is gone is reported, too: reading it raises.
    """

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._wake = Wake()
        self._epoll.register(self._wake.fileno(), select.EPOLLIN)

    def add(self, descriptor: int) -> None:
        """Report this descriptor when it has octets. OSError."""
        self._epoll.register(descriptor, _ONCE)

    def listen(self, descriptor: int) -> None:
        """Report it once more. OSError."""
        self._epoll.modify(descriptor, _ONCE)

    def remove(self, descriptor: int) -> None:
        """Forget it, before it is closed."""
        self._epoll.unregister(descriptor)

    def wait(self, seconds: float) -> list[int]:
        """The descriptors with octets; none after so many seconds, or after `wake`."""
        found = [descriptor for descriptor, _ in self._epoll.poll(max(0.0, seconds))]
        if self._wake.fileno() in found:
            found.remove(self._wake.fileno())
            self._wake.clear()
        return found

    def wake(self) -> None:
        """End the present wait or the next one."""
        self._wake.set()
