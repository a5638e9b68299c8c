"""SML meters: those that push, those that are asked, and what a scan tries."""
