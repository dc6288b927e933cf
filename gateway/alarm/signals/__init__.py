"""What happens to a signal between a driver and the incidents."""
