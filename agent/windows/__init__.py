"""What only Windows has. None of it is sent to other computers."""
