"""The voice side: RTP, Opus, jitter buffer, floor, PTT, and the endpoints and talkgroups that run them."""
