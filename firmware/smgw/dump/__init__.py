"""Telegrams and APDUs as trees for users, as JSON for programs."""
