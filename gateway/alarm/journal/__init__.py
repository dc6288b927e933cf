"""The append-only record that everything said "stored" about is in."""
