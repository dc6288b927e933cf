"""Hardware, by family. Knows only `gateway.ports` and `gateway.errors`; loaded lazily by `drivers.registry`."""
