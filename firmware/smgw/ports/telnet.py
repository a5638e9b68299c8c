"""Telnet with the com port option (RFC 854, 855, 856, 2217), the client's end, sans-IO.

```
IAC command option                          negotiation: WILL, WONT, DO, DONT
IAC SB COM-PORT code value... IAC SE        a setting; the server answers with code + 100 and the value in force
IAC IAC                                     one data octet FF
```
"""

from enum import IntEnum

from smgw.ports.line_settings import LineSettings

_IAC = 0xFF
_SB, _SE = 0xFA, 0xF0
_ESCAPED = b"\xff\xff"
_LONGEST = 1024  # octets of a subnegotiation; a longer one is cut


class Verb(IntEnum):
    """The four commands of a negotiation (RFC 854)."""

    WILL = 0xFB
    WONT = 0xFC
    DO = 0xFD
    DONT = 0xFE


class Option(IntEnum):
    """The options that this client wants."""

    BINARY = 0
    SUPPRESS_GO_AHEAD = 3
    COM_PORT = 44


class Setting(IntEnum):
    """Codes of the com port option (RFC 2217, 3). A server's code is greater by 100."""

    BAUDRATE = 1
    DATASIZE = 2
    PARITY = 3
    STOPSIZE = 4
    CONTROL = 5


_ANSWER = 100
_PARITY = {"N": 1, "O": 2, "E": 3}
_NO_FLOW_CONTROL = 1
#: (yes, no) of our answer to each verb, and whether the option is ours (True) or the server's.
_ANSWERS = {
    Verb.DO: (Verb.WILL, Verb.WONT, True),
    Verb.DONT: (Verb.WONT, Verb.WONT, True),
    Verb.WILL: (Verb.DO, Verb.DONT, False),
    Verb.WONT: (Verb.DONT, Verb.DONT, False),
}


class Telnet:
    """Takes what the server sent and gives the data in it. What is to be sent gathers in `outgoing`."""

    def __init__(self) -> None:
        self.outgoing = bytearray()
        #: The server's answer to the com port option: None until it came.
        self.com_port: bool | None = None
        self.negotiates = False  #: the server speaks Telnet at all
        self.in_force: dict[int, bytes] = {}  #: what the server said of each setting last
        self._said: dict[tuple[bool, int], Verb] = {}  # our last word on each option
        self._command = bytearray()  # of a command under way, from its IAC on
        self._suboption: bytearray | None = None
        for option in Option:
            self._say(Verb.WILL, option, ours=True)
            if option is not Option.COM_PORT:
                self._say(Verb.DO, option, ours=False)

    def receive(self, octets: bytes) -> bytes:
        """The data in what came."""
        if not self._command and self._suboption is None and _IAC not in octets:
            return octets
        data = bytearray()
        for octet in octets:
            if self._command:
                self._command.append(octet)
                self._go_on(data)
            elif octet == _IAC:
                self._command.append(octet)
            else:
                self._keep(octet, data)
        return bytes(data)

    def settings(self, line: LineSettings) -> None:
        """Ask for these settings, without flow control. DTR and RTS stay as the bridge has them: most set both."""
        self.baudrate(line.baudrate)
        self._set(Setting.DATASIZE, bytes((line.bytesize,)))
        self._set(Setting.PARITY, bytes((_PARITY[line.parity],)))
        self._set(Setting.STOPSIZE, bytes((line.stopbits,)))
        self._set(Setting.CONTROL, bytes((_NO_FLOW_CONTROL,)))

    def baudrate(self, baudrate: int) -> None:
        """Ask for another speed."""
        self._set(Setting.BAUDRATE, baudrate.to_bytes(4, "big"))

    @staticmethod
    def escaped(data: bytes) -> bytes:
        """Data as it goes over the connection."""
        return data.replace(b"\xff", _ESCAPED)

    def _set(self, setting: Setting, value: bytes) -> None:
        if setting is not Setting.CONTROL:
            self.in_force.pop(setting, None)
        self.outgoing += bytes((_IAC, _SB, Option.COM_PORT, setting)) + self.escaped(value) + bytes((_IAC, _SE))

    def _say(self, verb: Verb, option: int, *, ours: bool) -> None:
        """Only what is new: two ends that repeat themselves would never stop (RFC 854)."""
        if self._said.get((ours, option)) != verb:
            self._said[ours, option] = verb
            self.outgoing += bytes((_IAC, verb, option))

    def _keep(self, octet: int, data: bytearray) -> None:
        if self._suboption is None:
            data.append(octet)
        elif len(self._suboption) < _LONGEST:
            self._suboption.append(octet)

    def _go_on(self, data: bytearray) -> None:
        """One more octet of a command."""
        verb = self._command[1]
        if verb in _ANSWERS:
            if len(self._command) < 3:
                return
            self._negotiated(Verb(verb), self._command[2])
        elif verb == _IAC:
            self._keep(_IAC, data)
        elif verb == _SB:
            self._suboption = bytearray()
        elif verb == _SE:
            self._set_by_server(bytes(self._suboption or b""))
            self._suboption = None
        self._command.clear()

    def _negotiated(self, verb: Verb, option: int) -> None:
        self.negotiates = True
        yes, no, ours = _ANSWERS[verb]
        wanted = option in list(Option)
        if option == Option.COM_PORT:
            self.com_port = verb in (Verb.DO, Verb.WILL) or bool(self.com_port)
        if verb in (Verb.DONT, Verb.WONT) and (ours, option) not in self._said:
            return  # it is off already
        self._say(yes if wanted else no, option, ours=ours)

    def _set_by_server(self, suboption: bytes) -> None:
        if len(suboption) > 1 and suboption[0] == Option.COM_PORT and suboption[1] > _ANSWER:
            self.in_force[suboption[1] - _ANSWER] = suboption[2:]
