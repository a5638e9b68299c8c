"""What all pages for people share, those of the gateway and those of the head-end: style, plot, times, languages.

Plain data and functions, without a server and without templates.
"""
