"""Drivers that need no hardware."""
