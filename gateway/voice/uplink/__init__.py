"""From what a microphone hears to the packets of a talk burst."""
