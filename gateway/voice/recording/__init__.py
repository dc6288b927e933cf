"""Bursts kept as Ogg Opus: straight from the packets, indexed, given up before the journal is."""
