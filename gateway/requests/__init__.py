"""What a person at the command line may ask of the running gateway, by subject."""
