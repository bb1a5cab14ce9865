"""Windows computers of the lab: Wine, tools that Windows brings along, and a WinRM server of our own."""
