"""Baiying's gateway: the daemon that turns presses into incidents and speech into talkgroups.

This package knows no hardware; drivers are loaded by name through ``drivers.registry``.
"""

__version__ = "0.1.0"
