"""Questions that only Windows answers: the functions are those of ``agent.probes``."""
