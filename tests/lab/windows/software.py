"""`Arsip`: an invented program for Windows with a service, as an MSI and as a set-up, whole or broken in one way.

The MSI is made by wixl, the set-up by makensis (for 64 bits: Wine here runs no others), the program by mingw-w64.
Inno Setup is not among them: its compiler and what it makes are 32-bit programs.
"""

from __future__ import annotations

import hashlib
import subprocess
import tempfile
import uuid
from collections.abc import Callable
from enum import Enum
from pathlib import Path

from tests.lab.bases import cache_folder, locked
from tests.lab.windows.programs import compile_c, ensure_compilers, ensure_packages

PORT = 8110
NAME = "Arsip"
RUNS = r"C:\windows\Temp\arsip-jalan.txt"
"""A line for each time that a set-up of it ran."""
UPGRADE_CODE = "{5D2C7A4E-3F0B-4E0B-9C52-0A4D5A6E8F10}"
_HERE = Path(__file__).parent
_PACKAGES = {"wixl": "wixl", "makensis": "nsis"}
_SPACE = uuid.UUID(UPGRADE_CODE)


class Fault(Enum):
    """A way in which it is broken."""

    NONE = ""
    CONDITION = "the MSI's launch condition does not hold"
    ACTION = "the MSI's last custom action fails"
    DIES = "the service starts well and dies after two seconds"
    NO_SERVICE = "it brings no service: not broken, but smaller"
    ASKS = "the set-up asks a question in spite of /S"
    ABORTS = "the set-up stops half-way, and leaves what it had copied"
    CHILD = "a child of the set-up finishes the installation after the set-up has ended"
    CHILD_STAYS = "the set-up stops half-way, and a child of it would go on with the installation"
    LEAVES = "the set-up brings no service, but starts a program that goes on"
    WRONG_CODE = "the set-up installs everything, and ends with 3"
    REBOOT = "the set-up installs everything, and ends with 3010"


def product_code(version: str) -> str:
    """The MSI's code: another for each version, as a major upgrade wants it."""
    return "{" + str(uuid.uuid5(_SPACE, version)).upper() + "}"


def ensure_msi(version: str = "1.0.0", fault: Fault = Fault.NONE, *, code: str | None = None) -> Path:
    """Return the MSI, made first where it is not kept yet.

    Args:
        version: three numbers.
        fault: how it is broken.
        code: its product code; that of another version makes it a minor upgrade.
    """
    wxs = _wxs(version, fault, code or product_code(version))
    recipe = (wxs, _source(), version, fault, 1)
    return _ensure("arsip.msi", recipe, lambda folder: _make_msi(folder, wxs, version, fault))


def ensure_setup(version: str = "1.0.0", fault: Fault = Fault.NONE) -> Path:
    """Return the NSIS set-up, made first where it is not kept yet."""
    nsi = _nsi(version, fault)
    recipe = (nsi, _source(), version, fault, 1)
    return _ensure("arsip-setup.exe", recipe, lambda folder: _make_setup(folder, nsi, version, fault))


def ensure_service(version: str = "1.0.0", fault: Fault = Fault.NONE) -> Path:
    """Return the program alone, made first where it is not kept yet."""
    return _ensure("arsip.exe", (_source(), version, fault, 1), lambda folder: _compile(folder, version, fault))


def ensure_fake_msiexec() -> Path:
    """Return a fake of msiexec, which ends as it is told: what Wine's own never ends with."""
    source = _HERE / "msiexec_palsu.c"

    def make(folder: Path) -> Path:
        compile_c(source, folder / "palsu.exe", "-municode")
        return folder / "palsu.exe"

    return _ensure("palsu.exe", (source.read_text(), 1), make)


def _ensure(name: str, recipe: object, make: Callable[[Path], Path]) -> Path:
    key = hashlib.sha256(repr(recipe).encode()).hexdigest()[:12]
    kept = cache_folder() / "programs" / key / name
    with locked(cache_folder() / "programs" / "arsip.lock"):
        if not kept.exists():
            ensure_compilers()
            ensure_packages(_PACKAGES)
            kept.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix="pasang-lab-") as place:
                made = make(Path(place))
                temporary = kept.with_suffix(".new")
                temporary.write_bytes(made.read_bytes())
                temporary.rename(kept)
    return kept


def _source() -> str:
    return (_HERE / "arsip.c").read_text()


def _compile(folder: Path, version: str, fault: Fault) -> Path:
    options = [f'-DVERSION="{version}"', f"-DPORT={PORT}", f"-DDIES_MS={2000 if fault is Fault.DIES else 0}"]
    compile_c(_HERE / "arsip.c", folder / "arsip.exe", "-municode", "-mwindows", *options, "-lws2_32")
    return folder / "arsip.exe"


def _make_msi(folder: Path, wxs: str, version: str, fault: Fault) -> Path:
    _compile(folder, version, fault)
    (folder / "arsip.txt").write_text(f"arsip {version}\n")
    (folder / "arsip.wxs").write_text(wxs, encoding="utf-8")
    _run(["wixl", "-a", "x64", "-o", "arsip.msi", "arsip.wxs"], folder)
    return folder / "arsip.msi"


def _make_setup(folder: Path, nsi: str, version: str, fault: Fault) -> Path:
    _compile(folder, version, fault)
    (folder / "arsip.txt").write_text(f"arsip {version}\n")
    (folder / "arsip.nsi").write_text(nsi, encoding="utf-8-sig")
    _run(["makensis", "-V2", "arsip.nsi"], folder)
    return folder / "arsip-setup.exe"


def _run(argv: list[str], folder: Path) -> None:
    done = subprocess.run(argv, cwd=folder, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{argv[0]} failed: {(done.stdout + done.stderr)[-2000:]}")


def _wxs(version: str, fault: Fault, code: str) -> str:
    condition = '<Condition Message="Perlu lisensi kantor.">LISENSI = "ada"</Condition>'
    service = """
            <ServiceInstall Id="layanan" Name="Arsip" DisplayName="Arsip kantor" Description="Menjawab"
              Type="ownProcess" Start="auto" ErrorControl="normal"/>
            <ServiceControl Id="kendali" Name="Arsip" Stop="both" Remove="uninstall" Wait="yes"/>"""
    action = """
    <CustomAction Id="Gagal" FileKey="program" ExeCommand="end 5" Execute="deferred" Return="check"/>
    <InstallExecuteSequence><Custom Action="Gagal" Sequence="5900">NOT Installed</Custom></InstallExecuteSequence>"""
    return f"""<?xml version="1.0" encoding="utf-8"?>
<Wix xmlns="http://schemas.microsoft.com/wix/2006/wi">
  <Product Id="{code}" Name="{NAME}" Language="1033" Version="{version}" Manufacturer="Contoh"
      UpgradeCode="{UPGRADE_CODE}">
    <Package InstallerVersion="500" Compressed="yes" InstallScope="perMachine"/>
    <MediaTemplate EmbedCab="yes"/>
    <MajorUpgrade DowngradeErrorMessage="Versi yang lebih baru sudah terpasang."/>
    <Property Id="MODE" Value="kantor" Secure="yes"/>
    {condition if fault is Fault.CONDITION else ""}
    <Directory Id="TARGETDIR" Name="SourceDir">
      <Directory Id="ProgramFiles64Folder">
        <Directory Id="INSTALLDIR" Name="{NAME}">
          <Component Id="utama" Guid="{uuid.uuid5(_SPACE, "utama")}" Win64="yes">
            <File Id="program" Source="arsip.exe" KeyPath="yes"/>{"" if fault is Fault.NO_SERVICE else service}
          </Component>
          <Component Id="isi" Guid="{uuid.uuid5(_SPACE, "isi")}" Win64="yes">
            <File Id="teks" Source="arsip.txt" KeyPath="yes"/>
            <RegistryKey Root="HKLM" Key="Software\\Arsip">
              <RegistryValue Type="string" Name="Mode" Value="[MODE]"/>
              <RegistryValue Type="integer" Name="Port" Value="{PORT}"/>
            </RegistryKey>
          </Component>
        </Directory>
      </Directory>
    </Directory>
    <Feature Id="Utama" Level="1"><ComponentRef Id="utama"/></Feature>
    <Feature Id="Isi" Level="1"><ComponentRef Id="isi"/></Feature>{action if fault is Fault.ACTION else ""}
  </Product>
</Wix>
"""


_ENTRY = r"Software\Microsoft\Windows\CurrentVersion\Uninstall\Arsip"


def _nsi(version: str, fault: Fault) -> str:
    late = r"""
  ExecShell "" "$INSTDIR\arsip.exe" 'late 4000 "$INSTDIR\arsip.txt" "$INSTDIR\selesai.txt"' SW_HIDE
"""
    stays = (
        late
        + r"""
  Sleep 500
  Abort "Tidak dapat diteruskan."
"""
    )
    leaves = r"""
  ExecShell "" "$INSTDIR\arsip.exe" 'ask' SW_HIDE
  Sleep 500
"""
    ends = {
        Fault.WRONG_CODE: "SetErrorLevel 3",
        Fault.REBOOT: "SetErrorLevel 3010",
        Fault.CHILD: late,
        Fault.CHILD_STAYS: stays,
        Fault.LEAVES: leaves,
    }
    service = r"""
  ExecWait 'sc.exe create Arsip binPath= "\"$INSTDIR\arsip.exe\"" start= auto DisplayName= "Arsip kantor"' $0
"""
    return rf"""Target amd64-unicode
Name "{NAME}"
OutFile "arsip-setup.exe"
InstallDir "$PROGRAMFILES64\Arsip"
RequestExecutionLevel admin
ManifestSupportedOS all
VIProductVersion "{version}.0"
VIAddVersionKey "ProductName" "{NAME}"
VIAddVersionKey "ProductVersion" "{version}"
VIAddVersionKey "CompanyName" "Contoh"
VIAddVersionKey "FileVersion" "{version}.0"
VIAddVersionKey "FileDescription" "Pemasang Arsip"
VIAddVersionKey "LegalCopyright" "Contoh"
Page instfiles
UninstPage instfiles
Section
  SetRegView 64
  FileOpen $1 "{RUNS}" a
  FileSeek $1 0 END
  FileWrite $1 "{version}$\r$\n"
  FileClose $1
  SetOutPath "$INSTDIR"
  ExecWait 'sc.exe stop Arsip'
  Sleep 300
  File arsip.txt
  {'Abort "Tidak dapat diteruskan."' if fault is Fault.ABORTS else ""}
  {'MessageBox MB_YESNO "Lanjutkan?" IDYES +2' if fault is Fault.ASKS else ""}
  {"Abort" if fault is Fault.ASKS else ""}
  File arsip.exe
  WriteUninstaller "$INSTDIR\copot.exe"
  WriteRegStr HKLM "Software\Arsip" "Mode" "kantor"
  WriteRegStr HKLM "{_ENTRY}" "DisplayName" "{NAME}"
  WriteRegStr HKLM "{_ENTRY}" "DisplayVersion" "{version}"
  WriteRegStr HKLM "{_ENTRY}" "Publisher" "Contoh"
  WriteRegStr HKLM "{_ENTRY}" "InstallLocation" "$INSTDIR"
  WriteRegStr HKLM "{_ENTRY}" "UninstallString" '"$INSTDIR\copot.exe"'
{"" if fault in (Fault.NO_SERVICE, Fault.CHILD_STAYS, Fault.LEAVES) else service}
  {ends.get(fault, "")}
SectionEnd
Section Uninstall
  SetRegView 64
  ExecWait 'sc.exe stop Arsip'
  ExecWait 'sc.exe delete Arsip'
  Sleep 500
  Delete "$INSTDIR\arsip.exe"
  Delete "$INSTDIR\arsip.txt"
  Delete "$INSTDIR\selesai.txt"
  Delete "$INSTDIR\copot.exe"
  RMDir "$INSTDIR"
  DeleteRegKey HKLM "Software\Arsip"
  DeleteRegKey HKLM "{_ENTRY}"
SectionEnd
"""
