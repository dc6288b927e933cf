"""Sound cards through PortAudio."""
