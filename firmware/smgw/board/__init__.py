"""The board: systemd's notifications and watchdog, the journal, light codes, contacts. All of it is optional."""
