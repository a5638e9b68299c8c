"""What holds for all tests."""

from hypothesis import HealthCheck, settings

# A test passes or fails for what the code does, not for what else the machine does, and does so again the next time.
# Other examples than yesterday's: pytest --hypothesis-profile=explore
settings.register_profile("steady", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("explore", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
settings.load_profile("steady")
