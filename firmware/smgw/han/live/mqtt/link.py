"""One connection to a broker, over paho-mqtt 1.6 or 2. No thread belongs to it, and nothing blocks but `open`."""

import select
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from smgw.errors import SmgwError, reason
from smgw.patience import patiently
from smgw.ports.wake import Wake

_KEEPALIVE_S = 30
_CONNECT_S = 10.0
_PACKETS = 100  # that are read before something else has its turn


class Will(NamedTuple):
    """What the broker publishes if the connection breaks."""

    topic: str
    message: str


class Login(NamedTuple):
    """A user, and the octets of the password. The text form does not show them."""

    username: str
    password: bytes | None

    def __repr__(self) -> str:
        return f"Login({self.username!r})"


class BrokerError(SmgwError):
    """The broker does not answer, refuses this client, or closed the connection."""


class Link:
    """A connection. Messages that arrive go to `heard(topic, octets)`."""

    def __init__(
        self, client_id: str, will: Will, login: Login | None, ca_file: str | None, heard: Callable[[str, bytes], None]
    ) -> None:
        """`ca_file`: certificates that the broker's may come from, "": the system's; None: without TLS."""
        self._client = client = _client(client_id)
        self._heard = heard
        self._answer: Any = None
        self._tls = ca_file is not None
        client.will_set(will.topic, will.message, qos=1, retain=True)
        if login is not None:
            password = None if login.password is None else login.password.decode("utf-8", "surrogateescape")
            client.username_pw_set(login.username, password)
        if ca_file is not None:
            client.tls_set_context(_context(ca_file))
        client.on_connect = self._on_connect
        client.on_message = self._on_message

    def open(self, host: str, port: int, ended: Callable[[], bool]) -> None:
        """Connect and log in. BrokerError, or TimeoutError if `ended` meanwhile."""
        client = self._client
        try:
            patiently(
                "mqtt-connect", lambda: client.connect(host, port, _KEEPALIVE_S), _CONNECT_S, ended,
                late=lambda _: self.close(),
            )  # fmt: skip
        except (OSError, ValueError) as error:
            raise BrokerError(_why(error, tls=self._tls)) from error
        deadline = time.monotonic() + _CONNECT_S
        idle = Wake()
        try:
            while self._answer is None:
                if ended() or time.monotonic() > deadline:
                    raise BrokerError("it does not answer the login; is it an MQTT broker?")
                self.step(idle, 0.2)
        finally:
            idle.close()
        if _refused(self._answer):
            raise BrokerError(f"it refuses the login: {_words(self._answer)}")

    @property
    def busy(self) -> bool:
        """Whether the broker has not taken yet what was sent."""
        return bool(self._client.want_write())

    def publish(self, topic: str, message: str, qos: int = 0) -> None:
        """A retained message."""
        self._client.publish(topic, message, qos=qos, retain=True)

    def subscribe(self, topic: str) -> None:
        """Hear the messages of a topic."""
        self._client.subscribe(topic)

    def step(self, wake: Wake, seconds: float) -> None:
        """Send and receive what there is; wait for it, or for the wake. BrokerError if the connection is lost."""
        sock = self._client.socket()
        if sock is None:
            raise BrokerError("it closed the connection")
        poll = select.poll()
        poll.register(sock, select.POLLIN | (select.POLLOUT if self.busy else 0))
        poll.register(wake, select.POLLIN)
        events = dict(poll.poll(seconds * 1000)).get(sock.fileno(), 0)
        if events & ~select.POLLOUT:
            self._done(self._client.loop_read(_PACKETS))
            while getattr(sock, "pending", int)():  # decrypted octets, of which poll knows nothing
                self._done(self._client.loop_read(_PACKETS))
        if events & select.POLLOUT:
            self._done(self._client.loop_write())
        self._done(self._client.loop_misc())

    def close(self) -> None:
        """End the connection. After a proper end the broker keeps the will to itself."""
        client = self._client
        client.on_connect = client.on_message = None  # they hold this object
        client.disconnect()
        if client.socket() is not None:
            client.loop_write()
        if (left := client.socket()) is not None:
            left.close()

    def _done(self, code: int) -> None:
        if code and (self._answer is None or not _refused(self._answer)):
            import paho.mqtt.client as mqtt

            raise BrokerError(f"the connection is lost: {mqtt.error_string(code).rstrip('.')}")

    def _on_connect(self, _client: object, _data: object, _flags: object, answer: Any, *_: object) -> None:
        self._answer = answer

    def _on_message(self, _client: object, _data: object, message: Any) -> None:
        self._heard(message.topic, message.payload)


def _client(client_id: str) -> Any:
    """paho-mqtt 2 asks which form its callbacks have; 1.6 knows one."""
    try:
        import paho.mqtt.client as mqtt  # here: only who has a broker needs it
    except ImportError:
        raise BrokerError("paho-mqtt is not installed; install it: apt install python3-paho-mqtt") from None

    versions: Any = getattr(mqtt, "CallbackAPIVersion", None)
    new: Any = mqtt.Client
    return new(client_id=client_id) if versions is None else new(versions.VERSION2, client_id=client_id)


def _context(ca_file: str) -> Any:
    import ssl  # here: only for a broker with TLS

    try:
        context = ssl.create_default_context(cafile=ca_file or None)
    except (OSError, ValueError) as error:
        raise BrokerError(f"{ca_file} has no certificates in PEM: {reason(error)}") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.sslsocket_class = _closing(ssl.SSLSocket)
    return context


def _closing(kind: Any) -> Any:
    """Sockets that close when the handshake fails. paho-mqtt leaves them open."""

    class Closing(kind):  # type: ignore[misc]
        def do_handshake(self, block: bool = False) -> None:
            try:
                super().do_handshake(block)
            except BaseException:
                self.close()
                raise

    return Closing


def _refused(answer: Any) -> bool:
    return bool(getattr(answer, "value", answer))


def _words(answer: Any) -> str:
    import paho.mqtt.client as mqtt

    text = mqtt.connack_string(answer) if isinstance(answer, int) else str(answer)
    return text.removeprefix("Connection Refused: ").rstrip(".")


def _why(error: OSError | ValueError, *, tls: bool) -> str:
    import ssl

    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not believed: {error.verify_message}"
    if isinstance(error, ssl.SSLError) or (tls and isinstance(error, ConnectionResetError)):
        told = getattr(error, "reason", "") or "the other side closed the connection"
        return f"TLS fails ({told}); does it listen with TLS at this port?"
    return reason(error)
