"""The `baiying` command; the only importer of `drivers.registry`. Kept empty so that the keyer starts light."""
