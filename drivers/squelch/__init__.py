"""What notices incoming speech."""
