"""What meters say without being asked."""
