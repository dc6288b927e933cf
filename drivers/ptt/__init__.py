"""Lines that key a transmitter."""
