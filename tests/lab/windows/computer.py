"""A Windows computer from its switch on: `python -m tests.lab.windows.computer FILE` inside its own namespaces.

Starts Wine and what starts with the computer, then WinRM, and stays until it is switched off.
"""

from __future__ import annotations

import hmac
import os
import ssl
import sys
import threading
from pathlib import Path

from tests.lab.windows import wine
from tests.lab.windows.listener import Listener
from tests.lab.windows.settings import PORT, TLS_PORT, Settings
from tests.lab.windows.wsman import Service


def start(settings: Settings) -> Service:
    """Start what starts with the computer, then WinRM."""
    wine.start_quietly(settings.prefix, r"C:\windows\system32\wineboot.exe").wait()
    accounts = settings.prefix.with_name("accounts")
    rows = [
        f"{where}:{name}:{word}\n" for name, word in settings.people.items() for where in ("", settings.name.upper())
    ]
    accounts.write_text("".join(rows))
    os.environ["NTLM_USER_FILE"] = str(accounts)

    def knows(person: str, password: str) -> bool:
        return hmac.compare_digest(settings.people.get(person, "").encode(), password.encode()) and bool(password)

    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(settings.certificate)
    service = Service(settings.prefix, settings.name, settings.quotas)
    Listener(("", TLS_PORT), service, knows, tls).start()
    Listener(("", PORT), service, knows, None).start()
    return service


if __name__ == "__main__":
    start(Settings.read(Path(sys.argv[1])))
    threading.Event().wait()
