"""Intercoms and telephones that speak SIP."""
