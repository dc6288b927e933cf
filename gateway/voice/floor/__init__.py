"""Who may talk on a talkgroup: the controller, the participant, and the two across gateways (TS 24.380)."""
