"""How the daemon has transmitters keyed: when, and by which process."""
