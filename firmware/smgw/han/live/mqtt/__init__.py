"""Live values over MQTT, to a broker of the house: topics, announcements to Home Assistant, the connection."""
