"""Pictures of an incident from the cameras of its place."""
