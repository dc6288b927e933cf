"""The local control socket: how `baiying talk`, `listen`, `press` and `incident` reach a running gateway."""
