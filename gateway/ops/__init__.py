"""What operators need of the daemon: logging, counters, timers, liveness."""
