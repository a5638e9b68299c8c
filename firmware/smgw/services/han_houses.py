"""What the views are given: the readings' databases and live values, opened once for each thread."""

import threading
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

from smgw.errors import SmgwError
from smgw.han.exchange import Answer, Request, View, problem
from smgw.han.files import Files
from smgw.han.house import House
from smgw.han.rights import NotYoursError
from smgw.han.set_up.desk import SetUp
from smgw.profiles.gateway import Configuration
from smgw.services.han_around import State, around
from smgw.services.han_log import HanLog, log
from smgw.store import paths
from smgw.store.errors import StoreAbsent
from smgw.store.file.view import View as Opened
from smgw.store.han.view import HanView
from smgw.store.live_reader import read_live
from smgw.store.lmn.view import LmnView
from smgw.store.wan.view import WanView
from smgw.trust.keys.agent import AgentKeys

#: Of each database, in each thread.
_CACHE_KIB = 96
_V = TypeVar("_V", bound=Opened)

#: Seconds for a signature: a chip card needs one or two, and the whole answer has 20.
_KEYS_S = 10.0
_NOT_YET = "The gateway has no readings yet."
_UNREADABLE = "The gateway's data cannot be read now."


class Houses:
    """Asks a view, with the House of the thread that asks."""

    def __init__(self, configuration: Configuration, state: Path, book: HanLog, file: Path | None = None) -> None:
        """`file`: that of the configuration, for programs that read it too."""
        self._configuration = configuration
        self._state = state
        self._file = file
        self._book = book
        self._own = threading.local()
        self._lock = threading.Lock()
        self._opened: list[Opened] = []
        self._over = False
        self._keys = AgentKeys(paths.run_directory(state), _KEYS_S)
        self._health = State(file, state)
        self._files = None if file is None else Files(file, state)

    def ask(self, view: View, request: Request) -> Answer:
        """The answer of a view; what goes wrong is told in its status."""
        try:
            house = self._house()
        except SmgwError as error:
            if view.role is not None:
                log.warning("%s: %s", view.name, error)
                text = _NOT_YET if isinstance(error, StoreAbsent) else _UNREADABLE
                return problem(503, text, {"Retry-After": "5"})
            house = None  # what needs no login needs no readings
        try:
            return view.answer(request, house)  # type: ignore[arg-type]
        except NotYoursError:
            return problem(404, "There is nothing here.")
        except SmgwError as error:
            log.warning("%s %s: %s", request.method, view.name, error)
            return problem(503, _UNREADABLE, {"Retry-After": "5"})
        except Exception:
            log.exception("the view %s failed", view.name, extra={"event": "worker-failed", "WORKER": view.name})
            return problem(500, "This answer failed. The gateway's journal says why.")

    def close(self) -> None:
        """End what is being read, and open nothing more."""
        with self._lock:
            self._over = True
            opened, self._opened = self._opened, []
        for one in opened:
            one.end()
            one.close()

    def _house(self) -> House:
        found = getattr(self._own, "house", None)
        if found is None:
            found = self._own.house = self._new()
        assert isinstance(found, House)
        return found

    def _new(self) -> House:
        lmn = self._keep(LmnView.open(paths.lmn_directory(self._state)))
        wan = self._maybe(WanView, paths.wan_directory(self._state))
        own = self._maybe(HanView, paths.han_directory(self._state))
        live = paths.live_directory(self._state)
        house = House(
            lmn,
            wan,
            self._configuration,
            lambda: read_live(live),
            lambda: self._book.stamp().utc_us,
            [own] if own else [],
        )
        house.sign = self._signed
        views = [one for one in (lmn, wan, own) if one]
        told = around(self._configuration, self._state, self._health, views)
        house.around = told._replace(set_up=SetUp(self._state, self._file, self._book.stamp))
        house.transparency = None if self._files is None else self._files.transparency
        return house

    def _signed(self, body: bytes) -> bytes:
        return self._keys.answer(sha256(body).digest())

    def _maybe(self, kind: type[_V], directory: Path) -> _V | None:
        try:
            return self._keep(kind.open(directory))
        except StoreAbsent:
            return None

    def _keep(self, view: _V) -> _V:
        with self._lock:
            if self._over:
                view.close()
                raise SmgwError("the HAN process ends")
            self._opened.append(view)
        view.keep_little(_CACHE_KIB)
        return view
