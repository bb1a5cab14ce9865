"""What runs at IIDC: it plans, sends, follows and records. See ``docs/architecture.md``."""

__version__ = "0.1.0"
