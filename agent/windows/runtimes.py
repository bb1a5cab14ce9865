"""What software of Microsoft's makers needs beside Windows: .NET Framework, .NET, and the runtime of Visual C++."""

from __future__ import annotations

import os

from agent.windows import registry
from agent.windows.places import Places

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

FRAMEWORK = r"HKLM\SOFTWARE\Microsoft\NET Framework Setup\NDP"
RELEASES = (
    (533320, "4.8.1"), (528040, "4.8"), (461808, "4.7.2"), (461308, "4.7.1"), (460798, "4.7"), (394802, "4.6.2"),
    (394254, "4.6.1"), (393295, "4.6"), (379893, "4.5.2"), (378675, "4.5.1"), (378389, "4.5"),
)  # fmt: skip
"""The least number of each version. Source: learn.microsoft.com/dotnet, "determine which versions are installed"."""
DOTNET = r"HKLM\SOFTWARE\dotnet\Setup\InstalledVersions"
"""Written by the 32-bit side alone. Source: dotnet/designs, accepted/2020/install-locations.md."""
SHARED = {
    "runtime": "Microsoft.NETCore.App",
    "desktop": "Microsoft.WindowsDesktop.App",
    "aspnet": "Microsoft.AspNetCore.App",
}
PROCESSORS = {"x86_64": "x64", "x86": "x86", "aarch64": "arm64"}
VISUAL_C = r"HKLM\SOFTWARE\{}Microsoft\VisualStudio\14.0\VC\Runtimes\{}"
"""Source: learn.microsoft.com/cpp/windows/redistributing-visual-cpp-files."""


def framework_versions() -> list[str]:
    """Versions of .NET Framework that are there, the newest first."""
    release, older = registry.read(FRAMEWORK + r"\v4\Full", "Release"), registry.values(FRAMEWORK + r"\v3.5")
    found = [framework_of(release.data)] if release and isinstance(release.data, int) else []
    if older.get("Install") and older["Install"].data == 1:
        found.append("3.5")
    return [version for version in found if version]


def framework_of(release: int) -> str | None:
    """The version of a release's number; None where it is older than all that has one."""
    return next((version for least, version in RELEASES if release >= least), None)


def dotnet_versions(name: str, arch: str) -> list[str]:
    """Versions of one of .NET's shared frameworks that are there, for one kind of processor.

    By the folders, in which .NET itself looks for what it can run on.

    Args:
        name: a word of ``SHARED``.
        arch: as in facts.
    """
    said = registry.read(f"{DOTNET}\\{PROCESSORS.get(arch, arch)}", "InstallLocation", view="32")
    home = str(said.data) if said and said.data else os.path.join(Places(os.environ).programs[0], "dotnet")
    folder = os.path.join(home, "shared", SHARED[name])
    try:
        names = os.listdir(folder)
    except OSError:
        return []
    return sorted((version for version in names if version[:1].isdigit()), reverse=True)


def visual_c_version(arch: str) -> str | None:
    """The version of Visual C++'s runtime (2015 and later) for one kind of processor; None where there is none."""
    return next(visual_c_versions(arch), None)


def visual_c_versions(arch: str) -> Iterator[str]:
    """The version as either side of the registry has it."""
    for side in ("", "Wow6432Node\\"):
        row = registry.values(VISUAL_C.format(side, PROCESSORS.get(arch, arch)))
        if "Version" in row and row.get("Installed") and row["Installed"].data == 1:
            yield str(row["Version"].data).lstrip("vV")
