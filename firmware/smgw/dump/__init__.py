"""Telegrams and APDUs as trees for people, as JSON for programs."""
