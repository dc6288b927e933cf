"""``baiying scenario``: cases written down in YAML, played on a virtual clock or on real processes."""
