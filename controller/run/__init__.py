"""A run: one command on many computers. ``opening`` begins, ``fleet`` and ``host`` carry, ``recovery`` goes on."""
