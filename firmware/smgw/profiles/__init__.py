"""Meter, evaluation and communication profiles (Zählerprofil, Auswertungsprofil, Kommunikationsprofil).

They are frozen, checked, and versioned by their content. A profile does not know where it came from; TOML is one
importer.
"""

from smgw.profiles.communication import CommunicationProfile
from smgw.profiles.gateway import Configuration, GatewayProfile, RetentionProfile
from smgw.profiles.meter import MeterProfile
from smgw.profiles.problems import ConfigurationError, Problem
from smgw.profiles.toml_importer import load

__all__ = [
    "CommunicationProfile",
    "Configuration",
    "ConfigurationError",
    "GatewayProfile",
    "MeterProfile",
    "Problem",
    "RetentionProfile",
    "load",
]
