# The first stage: sent as source, run by the bootstrap, which leaves standard input at the job. It reads the job, asks
# for the agent (and psutil) where their digests are not here yet, checks what it is going to run, and hands over. Kept
# tiny: its bytes are printed and watched by `make bench`. No docstrings or annotations, since they would travel. What
# differs by platform are functions of their own: agent/windows/stage.py has Windows' in their place.
import marshal
import os
import sys
from _frozen_importlib_external import MAGIC_NUMBER
from _imp import source_hash

try:
    from _sha2 import sha256
except ImportError:
    try:
        from _sha256 import sha256
    except ImportError:
        from hashlib import sha256

try:  # as agent/light/json.py does it
    from _json import encode_basestring_ascii, make_encoder, make_scanner
except ImportError:
    from json import dumps, loads
else:

    class Reading:
        strict = True
        object_hook = object_pairs_hook = None
        parse_int = int
        parse_float = parse_constant = float

    def loads(line):  # type: ignore[misc]
        return make_scanner(Reading)(line.decode(), 0)[0]  # type: ignore[arg-type]

    def dumps(frame):  # type: ignore[misc]
        return "".join(make_encoder({}, str, encode_basestring_ascii, None, ":", ",", False, False, True)(frame, 0))


b = sys.stdin.buffer


def say(frame):
    sys.stdout.buffer.write(dumps(frame).encode() + b"\n")
    sys.stdout.buffer.flush()


def fault(code, id, en):
    say({"answer": "fault", "code": code, "reason": {"id": id, "en": en}})
    raise SystemExit(0)


def put(part, path):
    os.replace(part, path)


def take_blob(root, digest):
    left = loads(b.readline(1 << 22))["size"]
    path = os.path.join(root, "blobs", digest)
    part = "%s.%d" % (path, os.getpid())
    total = sha256()
    with open(part, "wb") as file:
        while left > 0:
            data = b.read(min(left, 1 << 18))
            if not data:
                raise SystemExit(0)
            left -= len(data)
            total.update(data)
            file.write(data)
    if total.hexdigest() != digest:
        os.unlink(part)
        fault("damaged", "kiriman rusak di perjalanan", "what was sent arrived damaged")
    put(part, path)


def whole(path):
    # a compiled file says itself what its content must be (agent/bundle.py)
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError:
        return None
    return data[16:] if len(data) > 16 and source_hash(0, data[16:]) == data[8:16] else None


def home():
    return "/var/lib/pasang" if os.geteuid() == 0 else os.path.expanduser("~/.local/share/pasang-agent")


def ready(root):
    os.makedirs(os.path.join(root, "blobs"), exist_ok=True)


def platform():
    try:  # musl knows the name and no answer
        libc = (os.confstr("CS_GNU_LIBC_VERSION") or "other").split()[0]
    except (AttributeError, OSError, ValueError):
        libc = "other"
    return "%s-%s-%s" % (sys.platform, os.uname().machine, libc)


def make(blob, path, is_source):
    if is_source:
        import zipimport

        made = {}  # type: ignore[var-annotated]
        exec(zipimport.zipimporter(blob).get_data("agent/bundle.py"), made)  # noqa: S102
        data = made["bundle"](blob)
    else:
        import zlib

        with open(blob, "rb") as file:
            data = zlib.decompress(file.read())
    os.makedirs(os.path.dirname(path), exist_ok=True)
    part = "%s.%d" % (path, os.getpid())
    with open(part, "wb") as file:
        file.write(data)
    put(part, path)


def first_stage():
    job = loads(b.readline(1 << 22))
    os.umask(0o77)
    job["root"] = root = job.get("root") or home()
    magic = MAGIC_NUMBER.hex()
    path = os.path.join(root, "agent", "%s.%s.pyc" % (job["agent"], magic))
    sent = job["compiled"].get(magic, job["agent"])
    try:
        ready(root)
        code = whole(path)
        needs = [] if code else [sent]
        wheel = job["psutil"] and job["psutil"].get(platform())
        job["psutil"] = wheel or None
        if wheel and not os.path.exists(os.path.join(root, "blobs", wheel)):
            needs.append(wheel)
        if needs:
            say({"answer": "need", "blobs": [{"blob": n, "offset": 0} for n in needs]})
            for n in needs:
                take_blob(root, n)
        if not code:
            make(os.path.join(root, "blobs", sent), path, sent == job["agent"])
            code = whole(path)
    except OSError as error:
        fault(
            "storage",
            "folder %s tidak dapat ditulis: %s" % (root, error),
            "the folder %s cannot be written: %s" % (root, error),
        )
    if not code:
        fault("damaged", "agen di komputer tujuan rusak", "the agent on the computer is damaged")
    exec(marshal.loads(code), {"__name__": "bundle", "__file__": path})  # noqa: S102, S302 - checked above
    from agent.__main__ import contact

    contact(job, b)


first_stage()
