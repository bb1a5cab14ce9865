"""Effects that only Windows knows: the verbs are those of ``agent.actions``."""
