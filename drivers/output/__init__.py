"""Alarm outputs: lamps, relays and sirens at a place."""
