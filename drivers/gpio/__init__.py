"""Alarm contacts on GPIO lines."""
