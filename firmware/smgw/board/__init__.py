"""The board below the gateway: systemd's notifications and watchdog, the journal. Off a board it is silent."""
