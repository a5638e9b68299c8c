"""SML request and response over TCP: several clients, slow ones, ones that send garbage."""

import asyncio
import itertools
import random
import socket
from collections.abc import Awaitable, Callable

import pytest
from smgw.cosem import DeviceId
from smgw.errors import SmgwError
from smgw.sml.attention import AttentionCode, attention_code
from smgw.sml.client import Answers, Client
from smgw.sml.messages import AttentionResponse, GetListResponse, GetProcParameterResponse
from smgw.sml.parameters import OBJECT_LIST_PATH
from smsim.errors import PortError
from smsim.load.timelapse import TimeLapse
from smsim.ports import TcpPort
from smsim.sml.meter import Meter, MeterSpec
from smsim.sml.service import Service

SPEC = MeterSpec("m", DeviceId.parse("1UTB0000000001"))
#: What the file ids of each reader begin with.
FILES = map(random.Random(1).randbytes, itertools.repeat(4))
Scenario = Callable[[Service, int], Awaitable[None]]


class Reader:
    """The gateway's own client on a TCP connection."""

    def __init__(self, port: int, username: str | None = None, password: str | None = None) -> None:
        self._port = port
        self.client = Client(
            b"reader", next(FILES), username=username, password=password.encode() if password else None
        )

    async def __aenter__(self) -> "Reader":
        self.stream, self.writer = await asyncio.open_connection("127.0.0.1", self._port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.writer.close()
        await asyncio.gather(self.writer.wait_closed(), return_exceptions=True)

    async def read_list(self) -> Answers:
        self.writer.write(self.client.send([self.client.get_list()], 0.0))
        return await self.answers()

    async def answers(self) -> Answers:
        async with asyncio.timeout(5):
            while True:
                octets = await self.stream.read(4096)
                assert octets, "the meter closed the connection"
                for event in self.client.receive(octets):
                    assert isinstance(event, Answers)
                    return event


def with_service(scenario: Scenario, **options: object) -> Service:
    """Run a scenario against a listening service."""
    begin: list[float] = []
    credentials = options.pop("credentials", (None, None))

    async def run() -> Service:
        loop = asyncio.get_running_loop()
        begin.append(loop.time())
        meter = Meter(SPEC, TimeLapse(1_767_222_000), lambda: int((loop.time() - begin[0]) * 1000))
        service = Service(meter, TcpPort(0), credentials, **options)  # type: ignore[arg-type]
        port = int((await service.start()).rpartition(":")[2])
        task = asyncio.ensure_future(service.run())
        try:
            async with asyncio.timeout(20):
                await scenario(service, port)
        finally:
            service.close()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await asyncio.sleep(0.01)
        return service

    return asyncio.run(run())


def test_a_client_reads_the_list() -> None:
    async def scenario(service: Service, port: int) -> None:
        async with Reader(port) as reader:
            answers = await reader.read_list()
            (body,) = answers.bodies
            assert isinstance(body, GetListResponse)
            assert body.server_id == SPEC.device
            assert [entry.obj_name.hex() for entry in body.entries[2:]] == [
                "0100010800ff", "0100010801ff", "0100010802ff", "0100020800ff", "0100100700ff",
            ]  # fmt: skip

    service = with_service(scenario)
    counts = service.counts()
    assert (counts["answers"], counts["clients_seen"], counts["refused"]) == (1, 1, 0)


def test_two_clients_read_at_the_same_time_and_see_the_same_meter() -> None:
    async def poll(port: int, values: list[int]) -> None:
        async with Reader(port) as reader:
            for _ in range(50):
                (body,) = (await reader.read_list()).bodies
                assert isinstance(body, GetListResponse)
                value = body.entries[2].value
                assert value is not None
                values.append(int(str(value.value)))

    async def scenario(service: Service, port: int) -> None:
        one: list[int] = []
        other: list[int] = []
        await asyncio.gather(poll(port, one), poll(port, other))
        assert len(one) == len(other) == 50
        assert one == sorted(one)
        assert other == sorted(other)

    assert with_service(scenario).counts()["answers"] == 100


def test_the_object_list_is_answered() -> None:
    async def scenario(service: Service, port: int) -> None:
        async with Reader(port) as reader:
            client = reader.client
            reader.writer.write(client.send([client.get_parameter(*OBJECT_LIST_PATH)], 0.0))
            (body,) = (await reader.answers()).bodies
            assert isinstance(body, GetProcParameterResponse)
            assert len(body.tree.children) == 8  # maker, device id, five registers, firmware

    with_service(scenario)


def test_octet_by_octet_a_request_is_the_same_request() -> None:
    async def scenario(service: Service, port: int) -> None:
        async with Reader(port) as reader:
            for octet in reader.client.send([reader.client.get_list()], 0.0):
                reader.writer.write(bytes((octet,)))
                await reader.writer.drain()
                await asyncio.sleep(0)
            assert isinstance((await reader.answers()).bodies[0], GetListResponse)

    with_service(scenario)


def test_garbage_is_counted_and_the_same_connection_is_answered_after_it() -> None:
    async def scenario(service: Service, port: int) -> None:
        async with Reader(port) as reader:
            noise = random.Random(7)
            reader.writer.write(noise.randbytes(20_000) + b"\x1b\x1b\x1b\x1b\x01\x01\x01\x01" + noise.randbytes(50))
            assert isinstance((await reader.read_list()).bodies[0], GetListResponse)

    assert with_service(scenario).counts()["refused"] >= 1


def test_a_client_that_floods_with_garbage_does_not_keep_another_from_its_answer() -> None:
    async def flood(port: int) -> None:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            while True:
                writer.write(b"\x1b\x1b\x1b\x1b\x01\x01\x01\x01" * 8192)
                await writer.drain()
        finally:
            writer.transport.abort()

    async def scenario(service: Service, port: int) -> None:
        flooding = asyncio.ensure_future(flood(port))
        await asyncio.sleep(0.1)
        async with Reader(port) as reader:
            for _ in range(5):
                assert (await reader.read_list()).opened is not None
        flooding.cancel()
        await asyncio.gather(flooding, return_exceptions=True)

    with_service(scenario)


async def ask_for_ever(connection: socket.socket, request: bytes) -> None:
    async with asyncio.timeout(10):
        while True:
            await asyncio.get_running_loop().sock_sendall(connection, request)


def test_a_client_that_takes_no_answer_is_cut_off_and_others_are_served() -> None:
    async def scenario(service: Service, port: int) -> None:
        deaf = socket.create_connection(("127.0.0.1", port))
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.setblocking(False)
        client = Client(b"deaf", b"0000")
        request = client.send([client.get_list()] * 20, 0.0)
        with pytest.raises(OSError, match=r"reset|pipe"):
            await ask_for_ever(deaf, request)
        async with Reader(port) as reader:
            assert (await reader.read_list()).opened is not None
        deaf.close()
        await asyncio.sleep(0.05)
        assert service.clients == 0

    with_service(scenario, slow_s=0.3)


def test_a_silent_client_is_dropped_after_the_idle_time() -> None:
    async def scenario(service: Service, port: int) -> None:
        async with Reader(port) as reader:
            assert await reader.stream.read() == b""

    with_service(scenario, idle_s=0.1)


def test_more_clients_than_allowed_are_turned_away() -> None:
    async def scenario(service: Service, port: int) -> None:
        async with Reader(port) as one:
            assert (await one.read_list()).opened is not None
            async with Reader(port) as other:
                with pytest.raises((AssertionError, OSError)):
                    await other.read_list()
            assert (await one.read_list()).opened is not None

    with_service(scenario, most_clients=1)


def test_a_client_that_says_its_last_still_gets_its_answer() -> None:
    async def scenario(service: Service, port: int) -> None:
        async with Reader(port) as reader:
            reader.writer.write(reader.client.send([reader.client.get_list()], 0.0))
            reader.writer.write_eof()
            assert isinstance((await reader.answers()).bodies[0], GetListResponse)

    with_service(scenario)


@pytest.mark.parametrize(("password", "served"), [("right", True), ("wrong", False), (None, False)])
def test_credentials_are_asked_for_where_the_configuration_says_so(password: str | None, *, served: bool) -> None:
    async def scenario(service: Service, port: int) -> None:
        async with Reader(port, "reader" if password else None, password) as reader:
            answers = await reader.read_list()
            if served:
                assert isinstance(answers.bodies[0], GetListResponse)
                return
            attention = answers.attention or answers.bodies[0]
            assert isinstance(attention, AttentionResponse)
            assert attention_code(attention.number) is AttentionCode.USER_OR_PASSWORD

    with_service(scenario, credentials=("reader", "right"))


def test_a_port_in_use_is_told() -> None:
    async def scenario(service: Service, port: int) -> None:
        other = Service(Meter(SPEC, TimeLapse(0), lambda: 0), TcpPort(port))
        with pytest.raises(PortError, match=f":{port}: cannot listen: Address already in use") as caught:
            await other.start()
        assert isinstance(caught.value, SmgwError)

    with_service(scenario)
