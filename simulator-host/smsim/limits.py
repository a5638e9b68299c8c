"""How many files a process may have open: hundreds of ports need hundreds."""

import resource

from smgw.errors import SmgwError

_SPARE = 64  # for what is no port: standard streams, the event loop, modules, clients beyond the first


class LimitError(SmgwError):
    """This process may not open as many files as its meters need."""


def allow_files(ports: int) -> None:
    """Make room for so many files beside the usual ones: raise the soft limit as far as it takes. LimitError."""
    needed = ports + _SPARE
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise LimitError(
            f"the meters need {needed} open files, this process may have {hard}; run fewer meters, or raise the limit: "
            f"ulimit -Hn {needed} as root, or LimitNOFILE={needed} in a systemd unit"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
