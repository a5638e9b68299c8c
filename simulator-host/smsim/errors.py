"""Errors of smsim with messages for users."""

from smgw.errors import SmgwError


class ConfigError(SmgwError):
    """A wrong configuration: file, line, key, fault and correct form."""

    def __init__(self, file: str, line: int | None, key: str, wrong: str, right: str = "") -> None:
        place = f"{file}:{line}" if line else file
        super().__init__(f"{place}: {key + ': ' if key else ''}{wrong}{'; ' + right if right else ''}")
        self.file = file
        self.line = line
        self.key = key


class PortError(SmgwError):
    """A port that cannot be opened."""

    def __init__(self, port: str, wrong: str, right: str = "") -> None:
        super().__init__(f"port {port}: {wrong}{'; ' + right if right else ''}")
        self.port = port


class FaultError(SmgwError):
    """A fault that cannot be switched on as ordered."""
