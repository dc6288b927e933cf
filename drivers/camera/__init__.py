"""Sources of still pictures."""
