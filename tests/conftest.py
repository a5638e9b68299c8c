"""What holds for all tests."""

import logging
import os
import signal
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings
from secrets_watch import SecretsWatch

# A shell that starts a run in the background has it ignore SIGINT, and every process of a test would ignore it, too.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# A test passes or fails for what the code does, not for what else the machine does, and does so again the next time.
# Other examples than yesterday's: pytest --hypothesis-profile=explore
settings.register_profile("steady", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("explore", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
# `make test-quick`: a tenth of the examples, where a test names no number of its own.
settings.register_profile("quick", settings.get_profile("steady"), max_examples=10)
settings.load_profile("quick" if os.environ.get("SMGW_TEST_QUICK") == "1" else "steady")


def pytest_configure(config: pytest.Config) -> None:
    """No test may show a secret."""
    watch = SecretsWatch()
    watch.pytest_configure(config)
    config.pluginmanager.register(watch, "secrets-watch")


@pytest.fixture(autouse=True)
def _no_handler_stays() -> Iterator[None]:
    """A command that a test calls may log to the stream of that test, which is closed afterwards."""
    root = logging.getLogger()
    before = set(root.handlers)
    yield
    for handler in set(root.handlers) - before:
        if not type(handler).__module__.startswith("_pytest"):
            root.removeHandler(handler)
