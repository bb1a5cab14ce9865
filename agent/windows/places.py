"""Where things lie on this computer's drives: which folders a snapshot reads whole, which by name, which not at all.

Whatever is called noise here changes by itself, or says again what is compared elsewhere; its reason stands beside it.
"""

from __future__ import annotations

import ntpath

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Iterator, Mapping


class Places:
    """The folders of one computer, by the variables that Windows gives every program."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        drive = environment.get("SystemDrive") or "C:"
        self.root = drive + "\\"
        self.windows = environment.get("SystemRoot") or drive + "\\Windows"
        self.data = environment.get("ProgramData") or drive + "\\ProgramData"
        public = environment.get("PUBLIC") or drive + "\\Users\\Public"
        programs = environment.get("ProgramW6432") or environment.get("ProgramFiles") or drive + "\\Program Files"
        older = environment.get("ProgramFiles(x86)")
        self.people = ntpath.dirname(public)
        self.public = public
        self.programs = tuple(dict.fromkeys(path for path in (programs, older) if path))
        self.menu = self.data + "\\Microsoft\\Windows\\Start Menu"
        self.tasks = self.windows + "\\System32\\Tasks"
        self.watched = (self.menu, public + "\\Desktop", self.windows + "\\System32\\drivers\\etc")
        """Read whole, and their small files kept to be restored."""
        menus = (self.menu, self.menu + "\\Programs", public + "\\Desktop")
        self._new_places = frozenset(path.lower() for path in (*self.programs, self.data, *menus))
        self._noise = frozenset(path.lower() for path in self._noises(older))

    def _noises(self, older: str | None) -> Iterator[str]:
        for name in ("pagefile.sys", "swapfile.sys", "hiberfil.sys", "DumpStack.log", "DumpStack.log.tmp"):
            yield self.root + name  # memory on the disk
        for name in ("System Volume Information", "$Recycle.Bin", "Recovery", "Config.Msi"):
            yield self.root + name  # restore points, waste, recovery; what Windows Installer keeps for its own way back
        for name in ("$WinREAgent", "$Windows.~BT", "$Windows.~WS", "$GetCurrent", "$SysReset", "Windows.old"):
            yield self.root + name  # upgrades of Windows itself
        for name in ("USOPrivate", "USOShared", "SoftwareDistribution"):
            yield self.data + "\\" + name  # Windows Update's books
        for name in ("Packages", "regid.1991-06.com.microsoft", "ntuser.pol", "WindowsHolographicDevices"):
            yield self.data + "\\" + name  # apps of the Store; licences, and policies, of Windows
        for programs in self.programs:
            for name in ("WindowsApps", "ModifiableWindowsApps"):
                yield programs + "\\" + name  # apps of the Store, which renew themselves
            for name in ("Windows Defender", "Windows Defender Advanced Threat Protection", "RUXIM"):
                yield programs + "\\" + name  # renewed several times a day; Windows Update's own helpers
            yield programs + "\\Microsoft Update Health Tools"
        if older:
            for name in ("Edge", "EdgeCore", "EdgeUpdate", "EdgeWebView", "Temp"):
                yield older + "\\Microsoft\\" + name  # Windows' own browser, which renews itself

    @property
    def own_data(self) -> str:
        """Where Windows itself keeps data (Defender, error reports, the search's index): nothing of it is listed."""
        return self.data + "\\Microsoft"

    def is_noise(self, path: str) -> bool:
        """Whether a path changes by itself."""
        return path.lower() in self._noise

    def listed(self, folders: Iterator[str]) -> Iterator[str]:
        """Folders where data lies: what stands in them is compared by name.

        Args:
            folders: what stands in ``data`` now. Makers put a folder of theirs there, and in it one for each software.
        """
        yield from (self.root, self.people, self.public, self.data)
        for folder in folders:
            if folder.lower() != self.own_data.lower() and not self.is_noise(folder):
                yield folder

    def is_makers(self, folder: str) -> bool:
        """Whether a folder is a maker's: files there, logs and locks, come and go; a folder is a software's."""
        return ntpath.dirname(folder).lower() == self.data.lower()

    def is_new_place(self, path: str) -> bool:
        """Whether an installer makes what is its software's own right here: a program's folder, its data, its menu."""
        return ntpath.dirname(path).lower() in self._new_places
