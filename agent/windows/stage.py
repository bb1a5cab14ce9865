# Windows' part of the first stage: these functions take the place of those of the same names in agent/stage.py, before
# it is sent (controller/runtime.py). No docstrings or annotations, since they would travel.
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agent.stage import fault


def home():
    return os.path.join(os.environ.get("PROGRAMDATA", r"C:\ProgramData"), "Pasang")


def ready(root):
    # Every user may make folders in ProgramData. Whoever made ours could put code into it, so it is made with its
    # rights, and looked at before anything in it is run: it belongs to administrators, the system or ourselves, and
    # nobody else may do anything there. Source: SDDL; SE_FILE_OBJECT is 1, owner and DACL are 1 and 4, TokenUser is 1.
    import ctypes

    pointer, text, ref = ctypes.c_void_p, ctypes.c_wchar_p, ctypes.byref
    api, kernel = ctypes.WinDLL("advapi32"), ctypes.WinDLL("kernel32")
    made, found, token = pointer(), pointer(), pointer()
    rights, me, told = "O:BAD:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)", text(), text()
    api.ConvertStringSecurityDescriptorToSecurityDescriptorW(rights, 1, ref(made), None)
    kernel.CreateDirectoryW(root, (pointer * 3)(3 * ctypes.sizeof(pointer), made.value, 0))
    attributes = os.lstat(root).st_file_attributes
    kernel.GetCurrentProcess.restype = pointer
    api.OpenProcessToken(pointer(kernel.GetCurrentProcess()), 8, ref(token))
    user = (pointer * 32)()
    api.GetTokenInformation(token, 1, user, ctypes.sizeof(user), ref(ctypes.c_uint()))
    api.ConvertSidToStringSidW(pointer(user[0]), ref(me))
    api.GetNamedSecurityInfoW(root, 1, 5, None, None, None, None, ref(found))
    api.ConvertSecurityDescriptorToStringSecurityDescriptorW(found, 1, 5, ref(told), None)
    owner, _, rules = (told.value or "O:?D:").partition("D:")
    who = [owner[2:]] + [rule.rstrip(")").split(";")[5] for rule in rules.split("(")[1:] if rule[0] != "D"]
    installer = "S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464"
    strange = [sid for sid in who if sid not in ("BA", "SY", "LA", installer, me.value)]
    if strange or "(" not in rules or attributes & 0x400:
        fault(
            "rights",
            "folder %s juga milik orang lain (%s): pindahkan atau hapus, lalu ulangi" % (root, " ".join(strange)),
            "the folder %s is others' too (%s): move or remove it, then try again" % (root, " ".join(strange)),
        )
    os.makedirs(os.path.join(root, "blobs"), exist_ok=True)
    os.chdir("\\")  # a folder that somebody is in cannot be removed


def put(part, path):
    # Of several contacts at once each makes the same file, and one that another has open cannot be replaced.
    try:
        os.rename(part, path)
    except FileExistsError:
        with open(part, "rb") as ours, open(path, "rb") as theirs:
            is_same = ours.read() == theirs.read()
        if is_same:
            os.unlink(part)
        else:
            os.replace(part, path)


def platform():
    return "windows-" + ("x86_64" if "AMD64" in sys.version else "aarch64" if "ARM64" in sys.version else "x86")
