"""Talkgroups and endpoints joined for an incident, or by hand."""
