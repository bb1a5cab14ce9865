"""A run: one command on many computers. ``opening`` begins it, ``fleet`` and ``host`` carry it, ``recovery`` goes on with it."""
