"""Whom a signal calls, in which levels, and when."""
