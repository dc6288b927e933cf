"""Talkgroups joined to other systems: RTP as media players and IP speakers take it, USRP as AllStarLink does."""
