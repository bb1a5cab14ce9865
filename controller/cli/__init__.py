"""The command ``pasang``: one file a command family; they parse and print, and decide nothing."""

from __future__ import annotations

import sys


def main() -> None:
    """The entry point: run the command, say errors in the reader's language, exit with the code of ``errors.py``."""
    from controller.errors import PasangError
    from controller.text import language_of

    try:
        from controller.cli.app import app

        app()
    except PasangError as error:
        sys.stderr.write(f"pasang: {error.say(language_of())}\n")
        raise SystemExit(error.exit_code) from None
    except BrokenPipeError:
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
