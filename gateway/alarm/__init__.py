"""The alarm side: contact, plan, incident, journal, and the desk that runs them."""
