"""``python -m controller`` is ``pasang``."""

from controller.cli import main

main()
