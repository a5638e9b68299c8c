"""Reports on the gateway: health, support bundle, export archive, known losses, redaction."""
