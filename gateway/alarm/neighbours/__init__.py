"""Other systems that are told of alarms and incidents."""
