# What looks at a Python that has just come to a computer, run by that very Python: every file is held against the list
# that came along, and only then is it said to be whole. It travels with each: no docstrings, no annotations.
import os
import shutil
import sys
import time

try:
    from _sha2 import sha256
except ImportError:
    try:
        from _sha256 import sha256
    except ImportError:
        from hashlib import sha256

LIST, CHECK, WHOLE, UNWANTED = "FILES", "arrival.py", "whole", "unwanted"
OLD_S = 3600


def digest(path):
    total = sha256()
    with open(path, "rb") as file:
        for data in iter(lambda: file.read(1 << 18), b""):
            total.update(data)
    return total.hexdigest()


def names(folder):
    for here, _, files in os.walk(folder):
        for name in files:
            yield os.path.relpath(os.path.join(here, name), folder).replace(os.sep, "/")


def mistake(folder, listed):
    if digest(os.path.join(folder, LIST)) != listed:
        return "the list is not the one that was sent"
    with open(os.path.join(folder, LIST), encoding="ascii") as file:
        wanted = {name: sum_ for sum_, name in map(str.split, file)}
    found = set(names(folder)) - {LIST, CHECK}
    if found != set(wanted):
        return "other files than those that were sent: %s" % " ".join(sorted(found ^ set(wanted))[:5])
    wrong = [name for name in sorted(wanted) if digest(os.path.join(folder, name)) != wanted[name]]
    return "damaged: %s" % " ".join(wrong[:5]) if wrong else ""


def settle(folder):
    # What was unpacked must be on the disk before it can be found. A program that runs cannot be opened for that, but
    # the volume can, by an administrator. Source: FlushFileBuffers.
    try:
        file = os.open("\\\\.\\" + os.path.splitdrive(folder)[0], os.O_RDWR)
        try:
            os.fsync(file)
        finally:
            os.close(file)
    except OSError:
        pass


def keep(folder, listed):
    part = os.path.join(folder, "part")
    with open(part, "w", encoding="ascii") as file:
        file.write(listed)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, os.path.join(folder, WHOLE))


def tidy(folder):
    # Those that half arrived when a line broke, and those that nobody wants any more.
    base = os.path.dirname(folder)
    for name in os.listdir(base):
        path = os.path.join(base, name)
        is_old = os.path.getmtime(path) < time.time() - OLD_S
        is_half = not os.path.exists(os.path.join(path, WHOLE))
        if path != folder and ((is_half and is_old) or os.path.exists(os.path.join(path, UNWANTED))):
            shutil.rmtree(path, ignore_errors=True)


def main():
    folder = os.path.dirname(os.path.abspath(sys.argv[0]))
    why = mistake(folder, sys.argv[1])
    if why:
        sys.exit(why)
    os.unlink(os.path.join(folder, CHECK))
    settle(folder)
    keep(folder, sys.argv[1])
    tidy(folder)


if __name__ == "__main__":
    main()
