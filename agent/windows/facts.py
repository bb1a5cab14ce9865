"""What kind of Windows this is: version, edition, processor, memory, and whose computer it is.

Version numbers come from the kernel (RtlGetVersion), which tells the truth to every program; names from the registry,
where Windows 11 still calls itself 10. Source: learn.microsoft.com/windows/win32/sysinfo/operating-system-version.
"""

from __future__ import annotations

import ctypes
import os
import sys

from agent.windows import registry
from agent.windows.win32 import BOOL, DWORD, LONG, LPVOID, P_DWORD, ULONGLONG, WORD, Library, kernel32

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Mapping

    from agent.windows.host import WindowsHost

CURRENT = r"HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion"
PRODUCT = r"HKLM\SYSTEM\CurrentControlSet\Control\ProductOptions"
WINDOWS_11_BUILD = 22000
ROLES = {"winnt": "workstation", "servernt": "server", "lanmannt": "domain_controller"}
"""By ProductType. Source: learn.microsoft.com, "ProductType" of ProductOptions."""
MACHINES = {0x8664: "x86_64", 0xAA64: "aarch64", 0x014C: "x86", 0x01C4: "armv7l"}
"""Source: IMAGE_FILE_MACHINE_… of <winnt.h>."""
PROCESSORS = {"AMD64": "x86_64", "ARM64": "aarch64", "X86": "x86", "ARM": "armv7l"}
"""Source: the variable PROCESSOR_ARCHITECTURE, and …_ARCHITEW6432 where a program of another kind asks."""
JOINED_DOMAIN = 3
ALL_GROUPS = 0xFFFF


class _Version(ctypes.Structure):
    """OSVERSIONINFOEXW."""

    _fields_ = (
        *((name, DWORD) for name in ("size", "major", "minor", "build", "platform")),
        ("pack", ctypes.c_wchar * 128),
        ("pack_major", WORD),
        ("pack_minor", WORD),
        ("suite", WORD),
        ("product", ctypes.c_ubyte),
        ("reserved", ctypes.c_ubyte),
    )


class Memory(ctypes.Structure):
    """MEMORYSTATUSEX."""

    _fields_ = (
        ("size", DWORD),
        ("load", DWORD),
        *(
            (name, ULONGLONG)
            for name in ("total", "available", "page_total", "page_free", "virtual_total", "virtual_free", "extended")
        ),
    )


_ntdll = Library("ntdll", RtlGetVersion=(LONG, LPVOID))
_kernel32 = Library(
    "kernel32",
    GetActiveProcessorCount=(DWORD, WORD),
    GlobalMemoryStatusEx=(BOOL, LPVOID),
    IsWow64Process2=(BOOL, LPVOID, LPVOID, LPVOID),
)
_netapi32 = Library(
    "netapi32",
    NetGetJoinInformation=(DWORD, LPVOID, LPVOID, P_DWORD),
    NetApiBufferFree=(DWORD, LPVOID),
)


def facts(host: WindowsHost) -> dict[str, Any]:
    """What ``when:`` and the form need to know of this computer: the keys of every platform, and Windows' own.

    ``edition`` (EditionID), ``build``, ``ubr`` (the number of the monthly update, 0 where nothing tells), ``release``
    (``22H2``), ``role`` (workstation, server, domain_controller) and ``domain`` (empty: in none).
    """
    numbers = kernel_version()
    return {
        **described(numbers, words_of(registry.values(CURRENT)), words_of(registry.values(PRODUCT))),
        "arch": architecture(),
        "hostname": hostname(),
        "domain": domain(),
        "cpu_count": int(_kernel32.GetActiveProcessorCount(ALL_GROUPS)) or os.cpu_count() or 0,
        "ram_bytes": memory().total,
        "python": ".".join(map(str, sys.version_info[:3])),
        "init": "scm",
        "boot": host.boot_id(),
        "administrator": host.is_administrator,
    }


def described(numbers: tuple[int, int, int], current: Mapping[str, Any], product: Mapping[str, Any]) -> dict[str, Any]:
    """What version and registry say together.

    Args:
        numbers: of the kernel: major, minor, build.
        current: values of the key ``CURRENT``, names in small letters.
        product: of ``PRODUCT``.
    """
    major, minor, build = numbers
    is_of_it = str(current.get("currentbuildnumber") or current.get("currentbuild")) == str(build)
    update = int(current.get("ubr") or 0) if is_of_it else 0
    version = f"{major}.{minor}.{build}"
    name = str(current.get("productname") or "Windows") if is_of_it else f"Windows {major}"
    if build >= WINDOWS_11_BUILD:
        name = name.replace("Windows 10", "Windows 11")
    release = str(current.get("displayversion") or current.get("releaseid") or "") if is_of_it else ""
    return {
        "os": "windows",
        "distribution": "windows",
        "like": [],
        "version": version,
        "title": " ".join(part for part in (name, release, f"({version}{f'.{update}' if update else ''})") if part),
        "kernel": f"{version}.{update}" if update else version,
        "edition": str(current.get("editionid") or ""),
        "build": build,
        "ubr": update,
        "release": release,
        "role": role_of(product),
    }


def role_of(product: Mapping[str, Any]) -> str:
    """What the computer is for, by the values of ``PRODUCT``: workstation, server or domain_controller."""
    return ROLES.get(str(product.get("producttype") or "").lower(), "workstation")


def role() -> str:
    """What this computer is for."""
    return role_of(words_of(registry.values(PRODUCT)))


def words_of(values: Mapping[str, registry.Value]) -> dict[str, Any]:
    """Values of a key by their names in small letters."""
    return {name.lower(): value.data for name, value in values.items()}


def kernel_version() -> tuple[int, int, int]:
    """The kernel's version, whatever a program's manifest says that it knows."""
    found = _Version()
    found.size = ctypes.sizeof(found)
    _ntdll.RtlGetVersion(ctypes.byref(found))
    return int(found.major), int(found.minor), int(found.build)


def architecture() -> str:
    """The computer's own kind of processor, also where this program is made for another and is emulated."""
    process, native = WORD(), WORD()
    try:
        is_told = _kernel32.IsWow64Process2(kernel32.GetCurrentProcess(), ctypes.byref(process), ctypes.byref(native))
    except AttributeError:  # before Windows 10 1709
        is_told = False
    if is_told and native.value in MACHINES:
        return MACHINES[native.value]
    return processor_of(os.environ)


def processor_of(environment: Mapping[str, str]) -> str:
    """The kind of processor by the environment that every program is given."""
    said = environment.get("PROCESSOR_ARCHITEW6432") or environment.get("PROCESSOR_ARCHITECTURE") or ""
    return PROCESSORS.get(said.upper(), said.lower())


def hostname() -> str:
    """The computer's name as the network knows it, without its domain."""
    said = registry.read(r"HKLM\SYSTEM\CurrentControlSet\Services\Tcpip\Parameters", "Hostname")
    return str(said.data) if said and said.data else os.environ.get("COMPUTERNAME", "")


def domain() -> str:
    """The domain that the computer is a member of; empty where it is in none (a workgroup is none)."""
    name, status = ctypes.c_wchar_p(), DWORD()
    if _netapi32.NetGetJoinInformation(None, ctypes.byref(name), ctypes.byref(status)):
        return ""
    said = name.value or ""
    _netapi32.NetApiBufferFree(name)
    if status.value != JOINED_DOMAIN:
        return ""
    full = registry.read(r"HKLM\SYSTEM\CurrentControlSet\Services\Tcpip\Parameters", "Domain")
    return str(full.data) if full and full.data else said


def memory() -> Memory:
    """Memory, built in and available."""
    found = Memory()
    found.size = ctypes.sizeof(found)
    _kernel32.GlobalMemoryStatusEx(ctypes.byref(found))
    return found
