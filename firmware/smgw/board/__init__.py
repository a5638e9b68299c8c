"""The board: systemd's notifications and watchdog, the journal. Without systemd these do nothing."""
