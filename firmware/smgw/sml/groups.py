"""The handling of the rest of a request file after a failed request (docs/sml.md, section 2.3).

The failed request's abort_on_error decides:

abort_on_error     rest of its group    later groups
00 CONTINUE        carried out          carried out
01 NEXT_GROUP      passed over          carried out
02 FINISH_GROUP    carried out          passed over
FF STOP            passed over          passed over
any other          as STOP, which does least

The messages of one group are together. A message that returns to an earlier group fails.
Open and Close belong to no group. An open that fails with anything but CONTINUE ends the file.

Our own reading, not seen on a wire: a request that is passed over gets no answer. A close is always answered, so that
the client knows the end.
"""

from smgw.sml.messages import AbortOnError, CloseRequest, Message, OpenRequest


class Groups:
    """Follows one request file, message by message."""

    def __init__(self) -> None:
        self._group: int | None = None
        self._left: set[int] = set()
        self._passing_over = False  # the rest of this group
        self._last = False  # no group follows this one
        self._stopped = False

    def enter(self, message: Message) -> bool:
        """Go to the next message; False if it is passed over."""
        if isinstance(message.body, CloseRequest):
            return True
        if not isinstance(message.body, OpenRequest) and message.group != self._group:
            if self._group is not None:
                self._left.add(self._group)
                self._stopped = self._stopped or self._last
            self._group = message.group
            self._passing_over = False
        return not self._stopped and not self._passing_over

    def out_of_place(self, message: Message) -> bool:
        """True if the message returns to an earlier group."""
        return not isinstance(message.body, OpenRequest | CloseRequest) and message.group in self._left

    def failed(self, message: Message) -> None:
        """Note that the last message failed."""
        abort = message.abort_on_error
        if abort == AbortOnError.CONTINUE:
            return
        if isinstance(message.body, OpenRequest) or abort not in (AbortOnError.NEXT_GROUP, AbortOnError.FINISH_GROUP):
            self._stopped = True
        elif abort == AbortOnError.NEXT_GROUP:
            self._passing_over = True
        else:
            self._last = True
