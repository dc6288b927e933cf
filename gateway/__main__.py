"""``python -m gateway`` is the `baiying` command."""

from gateway.cli.main import main

main()
