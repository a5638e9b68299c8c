"""The limit of open files: hundreds of ports need hundreds of files."""

import resource

from smgw.errors import SmgwError

_SPARE = 64  # files besides ports: standard streams, the event loop, modules, further clients


class LimitError(SmgwError):
    """This process may not open enough files for its meters."""


def allow_files(ports: int) -> None:
    """Raise the soft limit for this many files besides the usual ones. Raises LimitError."""
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
