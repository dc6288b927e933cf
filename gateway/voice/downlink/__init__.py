"""From the packets of talk bursts to what a loudspeaker plays."""
