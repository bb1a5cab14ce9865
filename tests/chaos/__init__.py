"""The crash matrix: at every record of both sides a fault, and then only three ends are allowed."""
