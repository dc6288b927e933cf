"""What a talker is told by sound: tones, and when each is played."""
