"""Incidents from the first signal to the disposition: the machines, and what is kept of them."""
