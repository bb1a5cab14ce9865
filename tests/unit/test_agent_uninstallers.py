"""UninstallString as makers really write it; the shapes are theirs, names and codes are invented."""

from __future__ import annotations

import pytest

from agent.uninstallers import Line, command_line, silent, split

VARIABLES = {"SystemRoot": r"C:\Windows", "ProgramFiles": r"C:\Program Files", "LOCALAPPDATA": r"C:\Users\a b\AppData"}
CODE = "{90160000-008C-0000-1000-0000000FF1CE}"
MSIEXEC = r"C:\Windows\System32\MsiExec.exe"
FILES = {
    r"C:\Program Files\Loket\uninst.exe",
    r"C:\Program Files\Loket Satu\unins000.exe",
    r"C:\Program Files (x86)\Antrean Online\remove.exe",
    r"C:\Program Files\Uji.exe Tua\lepas.exe",
    r"C:\PROGRA~2\LOKET~1\UNWISE.EXE",
}

SPLIT = [
    # of msiexec: after /I as after /X, with and without a blank, in both folders, with a wrong case
    (f"MsiExec.exe /X{CODE}", MSIEXEC, f"/X{CODE}"),
    (f"MsiExec.exe /I{CODE}", MSIEXEC, f"/I{CODE}"),
    (f"msiexec /x {CODE}", r"C:\Windows\System32\msiexec.exe", f"/x {CODE}"),
    (rf"C:\Windows\SysWOW64\msiexec.exe /package {CODE}", r"C:\Windows\SysWOW64\msiexec.exe", f"/package {CODE}"),
    (rf'"C:\Windows\System32\msiexec.exe" /X{CODE}', r"C:\Windows\System32\msiexec.exe", f"/X{CODE}"),
    (rf"%SystemRoot%\system32\msiexec.exe /X{CODE}", r"C:\Windows\system32\msiexec.exe", f"/X{CODE}"),
    # quoted
    (r'"C:\Program Files\Loket\uninst.exe"', r"C:\Program Files\Loket\uninst.exe", ""),
    (r'"C:\Program Files\Loket\uninst.exe" /x "a b"', r"C:\Program Files\Loket\uninst.exe", '/x "a b"'),
    (r'"C:\Program Files\Loket\uninst.exe"/S', r"C:\Program Files\Loket\uninst.exe", "/S"),
    (r'""C:\Program Files\Loket\uninst.exe" /S', r"C:\Program Files\Loket\uninst.exe", "/S"),
    (r'  "C:\Program Files\Loket\uninst.exe"  ', r"C:\Program Files\Loket\uninst.exe", ""),
    (r'"C:\Program Files\Loket\uninst.exe', r"C:\Program Files\Loket\uninst.exe", ""),
    # not quoted, with blanks in the path
    (r"C:\Program Files\Loket\uninst.exe", r"C:\Program Files\Loket\uninst.exe", ""),
    (r"C:\Program Files\Loket Satu\unins000.exe /SILENT", r"C:\Program Files\Loket Satu\unins000.exe", "/SILENT"),
    (r"C:\Program Files (x86)\Antrean Online\remove.exe -u -q", r"C:\Program Files (x86)\Antrean Online\remove.exe",
     "-u -q"),
    (r"C:\Program Files\Uji.exe Tua\lepas.exe /a.exe", r"C:\Program Files\Uji.exe Tua\lepas.exe", "/a.exe"),
    (r"C:\PROGRA~2\LOKET~1\UNWISE.EXE C:\PROGRA~2\LOKET~1\INSTALL.LOG", r"C:\PROGRA~2\LOKET~1\UNWISE.EXE",
     r"C:\PROGRA~2\LOKET~1\INSTALL.LOG"),
    (r"%ProgramFiles%\Loket\uninst.exe /S", r"C:\Program Files\Loket\uninst.exe", "/S"),
    (r"%programfiles%\Loket\uninst.exe", r"C:\Program Files\Loket\uninst.exe", ""),
    # what is gone, or was never there
    (r"C:\Program Files\Hilang\uninst.exe /S", r"C:\Program Files\Hilang\uninst.exe", "/S"),
    (r"%TIDAKADA%\uninst.exe /S", r"%TIDAKADA%\uninst.exe", "/S"),
    (r'"%LOCALAPPDATA%\loket\Update.exe" --uninstall', r"C:\Users\a b\AppData\loket\Update.exe", "--uninstall"),
    # helpers of the system's own
    (r'RunDll32 C:\PROGRA~1\COMMON~1\x\Ctor.dll,LaunchSetup "C:\a b\Setup.exe" -l0x9',
     r"C:\Windows\System32\RunDll32.exe", r'C:\PROGRA~1\COMMON~1\x\Ctor.dll,LaunchSetup "C:\a b\Setup.exe" -l0x9'),
    (r"rundll32.exe advpack.dll,LaunchINFSection C:\Windows\INF\x.inf,DefaultUninstall",
     r"C:\Windows\System32\rundll32.exe", r"advpack.dll,LaunchINFSection C:\Windows\INF\x.inf,DefaultUninstall"),
    # several ends of a program's name; letters of ours
    (r"C:\loket\lepas.bat", r"C:\loket\lepas.bat", ""),
    (r'"C:\Program Files\Loket Pelayanan Dinas Kependudukan ’é\hapus.exe" /S',
     r"C:\Program Files\Loket Pelayanan Dinas Kependudukan ’é\hapus.exe", "/S"),
    ("C:\\Program Files\\Loket\\uninst.exe\0", r"C:\Program Files\Loket\uninst.exe", ""),
    ("", "", ""),
    ('""', "", ""),
]  # fmt: skip


@pytest.mark.parametrize(("line", "program", "rest"), SPLIT, ids=[row[0] or "nothing" for row in SPLIT])
def test_which_program_it_is(line: str, program: str, rest: str) -> None:
    found = split(line, VARIABLES, FILES.__contains__)
    assert (found.program, found.rest) == (program, rest)


def test_what_was_planted_before_a_path_with_blanks_is_not_run() -> None:
    planted = {r"C:\Program", r"C:\Program.exe", *FILES}
    assert split(r"C:\Program Files\Loket\uninst.exe", VARIABLES, planted.__contains__).program in FILES
    for line in (r"C:\Program Files\Loket\uninst", r"C:\Program Files\Loket\uninst.exe,0", r"C:\Program Files\Loket"):
        assert split(line, VARIABLES, planted.__contains__) == Line("", ""), line


LOKET = r"C:\Program Files\Loket"
SILENT = [
    (rf"{MSIEXEC}", f"/I{CODE}", "", f"/X{CODE} /qn /norestart"),
    (rf"{MSIEXEC}", f"/X {CODE} /qb", "", f"/X{CODE} /qn /norestart"),
    (rf"{MSIEXEC}", r"/x C:\cache\loket.msi", "", None),
    (rf"{LOKET}\unins000.exe", "", "", "/VERYSILENT /SUPPRESSMSGBOXES /NORESTART"),
    (rf"{LOKET}\unins001.exe", "/norestart", "", "/norestart /VERYSILENT /SUPPRESSMSGBOXES"),
    (rf"C:\ProgramData\Package Cache\{CODE}\setup.exe", "/uninstall", "", "/uninstall /quiet /norestart"),
    (rf"C:\ProgramData\Package Cache\{CODE}\setup.exe", "/modify", "", None),
    (rf"C:\ProgramData\Package Cache\{CODE}\setup.exe", "", "burn", "/uninstall /quiet /norestart"),
    (rf"{LOKET}\uninst.exe", "", "", None),
    (rf"{LOKET}\uninst.exe", "", "nsis", rf"/S _?={LOKET}"),
    (rf"{LOKET}\uninst.exe", rf"/S _?={LOKET}", "nsis", rf"/S _?={LOKET}"),
    (r"C:\Users\a b\AppData\loket\Update.exe", "--uninstall", "", "--uninstall -s"),
    (r"C:\Windows\System32\RunDll32.exe", r'x.dll,LaunchSetup "C:\a b\Setup.exe" -removeonly', "", None),
    (r"C:\Program Files\InstallShield Installation Information\{1}\setup.exe", "-removeonly", "installshield", None),
]  # fmt: skip


@pytest.mark.parametrize(("program", "rest", "maker", "wanted"), SILENT)
def test_how_it_asks_nobody_or_nobody_knows(program: str, rest: str, maker: str, wanted: str | None) -> None:
    found = silent(Line(program, rest), maker=maker)
    assert (found.rest if found else None) == wanted
    assert found is None or found.program == program


def test_said_twice_it_is_the_same() -> None:
    for program, rest, maker, wanted in SILENT:
        if wanted is not None and (found := silent(Line(program, rest), maker=maker)):
            assert silent(found, maker=maker) == found


def test_the_command_line_begins_with_the_program() -> None:
    assert command_line(Line(rf"{LOKET}\uninst.exe", "/S")) == rf'"{LOKET}\uninst.exe" /S'
    assert command_line(Line(rf"{LOKET}\uninst.exe", "")) == rf'"{LOKET}\uninst.exe"'
