"""Measurements: one JSON line each, with a ratio to a floor or a peer of the same run."""
