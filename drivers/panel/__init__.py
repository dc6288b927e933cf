"""Alarm panels and receivers on a serial line."""
