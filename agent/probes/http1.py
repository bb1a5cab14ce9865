"""One question over HTTP/1.1, in as little as it takes: a socket, a head, a body, the end.

``http.client`` and ``urllib`` load the mail parser and TLS, 20 ms of CPU that a computer would pay to learn that its
own web server answers 200; this pays one (``docs/decisions/0020-questions-that-cost-little.md``). It follows no
redirects, knows no proxies, no cookies and no compression, reads no more than its limits, and closes the connection.

Source: RFC 9110 (semantics), RFC 9112 (messages: framing in section 6, chunks in 7.1), RFC 3986 (addresses).
"""

from __future__ import annotations

import time

from agent.light import socket
from agent.protocol import text
from agent.words import comma

HEAD_LIMIT_BYTES = 64 * 1024
BODY_LIMIT_BYTES = 1024 * 1024
CHUNK_LINE_LIMIT_BYTES = 4096
INTERIM_LIMIT = 8


class HttpFailed(Exception):
    """No answer, or none that could be understood; ``reason`` says why, in both languages."""

    def __init__(self, id: str, en: str, *, final: bool = False) -> None:
        super().__init__(en)
        self.reason = text(id, en)
        self.final = final
        """Asking again cannot help: the address itself is wrong."""


class Address:
    """A URL taken apart."""

    __slots__ = ("host", "port", "secure", "target")

    def __init__(self, *, secure: bool, host: str, port: int, target: str) -> None:
        self.secure = secure
        self.host = host
        self.port = port
        self.target = target
        """Path and query, as sent; never empty."""

    @property
    def authority(self) -> str:
        """The value of the Host field."""
        name = f"[{self.host}]" if ":" in self.host else self.host
        return name if self.port == (443 if self.secure else 80) else f"{name}:{self.port}"


class Response:
    """What came back. ``headers`` by lower-case name, repeated ones joined by a comma."""

    __slots__ = ("body", "headers", "status", "truncated")

    def __init__(self, status: int, headers: dict[str, str], body: bytes, *, truncated: bool) -> None:
        self.status = status
        self.headers = headers
        self.body = body
        self.truncated = truncated
        """The body goes on behind the limit."""

    @property
    def content(self) -> str:
        """The body as text, in the character set it names, otherwise UTF-8; what cannot be read is replaced."""
        kind = self.headers.get("content-type", "").lower()
        charset = kind.partition("charset=")[2].split(";")[0].strip(" \"'") or "utf-8"
        try:
            return self.body.decode(charset, "replace")
        except LookupError:
            return self.body.decode("utf-8", "replace")


def parse(url: str) -> Address:
    """Take a URL apart; the fragment is dropped, letters outside ASCII are encoded.

    Raises:
        HttpFailed: it is not one of http or https, names no host, a wrong port, or a password.
    """
    scheme, mark, rest = url.strip().partition("://")
    if not mark or scheme.lower() not in ("http", "https"):
        raise HttpFailed(
            f"alamat {url} bukan http:// atau https://", f"{url} is not an http:// or https:// address", final=True
        )
    end = min((place for place in (rest.find(sign) for sign in "/?#") if place >= 0), default=len(rest))
    authority, target = rest[:end], rest[end:].partition("#")[0]
    if "@" in authority:
        raise HttpFailed(
            "nama dan sandi di dalam alamat tidak didukung",
            "name and password in an address: not supported",
            final=True,
        )
    if authority.startswith("["):
        host, _, behind = authority[1:].partition("]")
        port = behind[1:] if behind.startswith(":") else behind
    else:
        host, _, port = authority.partition(":")
    secure = scheme.lower() == "https"
    try:
        host = host.encode("idna").decode("ascii") if not host.isascii() else host
    except UnicodeError:
        host = ""
    right_port = not port or (port.isascii() and port.isdigit() and len(port) < 6 and 0 < int(port) < 65536)
    if not host or not right_port or any(character <= " " or character == "\x7f" for character in host):
        raise HttpFailed(f"alamat {url} salah tulis", f"the address {url} is malformed", final=True)
    if not target.startswith("/"):
        target = "/" + target
    return Address(secure=secure, host=host, port=int(port or (443 if secure else 80)), target=encoded(target))


def encoded(target: str) -> str:
    """A path as it may stand in a request line: no spaces, no line ends, nothing outside ASCII."""
    return "".join(
        character if "!" <= character <= "~" else "".join(f"%{byte:02X}" for byte in character.encode("utf-8"))
        for character in target
    )


def request(
    url: str,
    *,
    method: str = "GET",
    timeout_s: float = 10.0,
    ca_file: str | None = None,
    insecure: bool = False,
) -> Response:
    """Ask once, the whole of it within ``timeout_s``.

    Args:
        url: http or https.
        method: any; a body is never sent.
        timeout_s: for everything together: a server that sends a byte a second does not hold us.
        ca_file: certificates to trust instead of the computer's own.
        insecure: any certificate will do.

    Raises:
        HttpFailed: no answer, or none that could be understood.
    """
    address = parse(url)
    deadline = time.monotonic() + timeout_s
    try:
        stream = connect(address, deadline)
        try:
            if address.secure:
                stream = secured(stream, address, ca_file, insecure=insecure)
            head = (
                f"{encoded(method)} {address.target} HTTP/1.1\r\nHost: {address.authority}\r\n"
                "User-Agent: pasang-agent\r\nAccept: */*\r\nAccept-Encoding: identity\r\nConnection: close\r\n\r\n"
            )
            stream.sendall(head.encode("ascii"))
            return Reader(stream, deadline).response(method)
        finally:
            stream.close()
    except socket.timeout as error:
        raise HttpFailed(
            f"tidak ada jawaban lengkap dalam {comma(f'{timeout_s:g}')} detik",
            f"no whole answer within {timeout_s:g} s",
        ) from error
    except ConnectionRefusedError as error:
        raise HttpFailed(
            f"sambungan ke {address.authority} ditolak: tidak ada yang melayani di sana",
            f"connection to {address.authority} refused: nothing serves there",
        ) from error
    except OSError as error:
        said = error.strerror or str(error)
        raise HttpFailed(
            f"sambungan ke {address.authority} gagal: {said}", f"connection to {address.authority}: {said}"
        ) from error


def connect(address: Address, deadline: float) -> socket.socket:
    """A connection to the first of the host's addresses that takes one.

    Raises:
        OSError: none does, or the name is not known.
    """
    name = address.host.encode("ascii")  # a str would load the tables of international names
    failure: OSError | None = None
    for family, kind, protocol, _, place in socket.getaddrinfo(name, address.port, type=socket.SOCK_STREAM):
        stream = socket.socket(family, kind, protocol)
        try:
            stream.settimeout(left(deadline))
            stream.connect(place)
        except OSError as error:
            stream.close()
            failure = error
            continue
        return stream
    raise failure or OSError("no address")


def secured(stream: socket.socket, address: Address, ca_file: str | None, *, insecure: bool) -> socket.socket:
    """The same connection under TLS; the certificate is checked unless ``insecure``.

    Raises:
        HttpFailed: the certificate is not trusted, or this Python has no TLS.
        OSError: the other side does not speak TLS.
    """
    try:
        import ssl
    except ImportError as error:
        raise HttpFailed("Python di komputer ini tanpa TLS", "the Python here has no TLS", final=True) from error
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        said = error.strerror or str(error)
        raise HttpFailed(f"ca_file {ca_file}: {said}", f"ca_file {ca_file}: {said}", final=True) from error
    if insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    try:
        return context.wrap_socket(stream, server_hostname=address.host)
    except ssl.SSLCertVerificationError as error:
        raise HttpFailed(
            f"sertifikat {address.authority} tidak dipercaya: {error.verify_message}; berikan ca_file",
            f"the certificate of {address.authority} is not trusted: {error.verify_message}; give its ca_file",
        ) from error


class Reader:
    """Takes one response off a connection, within a deadline and limits."""

    def __init__(self, stream: socket.socket, deadline: float) -> None:
        self.stream = stream
        self.deadline = deadline
        self.buffer = b""

    def response(self, method: str) -> Response:
        """The final response; those that only say to wait (1xx) are passed over.

        Raises:
            HttpFailed: it is not HTTP, or breaks off.
            OSError: the line does, or the time is over.
        """
        for _ in range(INTERIM_LIMIT + 1):
            status, headers = self.head()
            if status >= 200:
                break
        else:
            raise HttpFailed("jawabannya tidak kunjung selesai", "its answer only ever says to wait")
        if method.upper() == "HEAD" or status in (204, 304):
            return Response(status, headers, b"", truncated=False)
        if "chunked" in headers.get("transfer-encoding", "").lower():
            body = self.chunks()
        elif "content-length" in headers:
            body = self.exactly(length_of(headers["content-length"]))
        else:
            body = self.rest()
        return Response(status, headers, body[:BODY_LIMIT_BYTES], truncated=len(body) > BODY_LIMIT_BYTES)

    def head(self) -> tuple[int, dict[str, str]]:
        """Status and headers of the next response."""
        lines: list[bytes] = []
        taken = 0
        while True:
            line = self.line(HEAD_LIMIT_BYTES)
            taken += len(line) + 2
            if taken > HEAD_LIMIT_BYTES:
                raise HttpFailed("kepala jawabannya terlalu panjang", "the head of its answer is longer than allowed")
            if not line and lines:
                break
            lines.append(line)
        part = lines[0].split(None, 2)
        if len(part) < 2 or not part[0].startswith(b"HTTP/1.") or not part[1].isdigit() or len(part[1]) != 3:
            raise HttpFailed("jawabannya bukan HTTP/1", "its answer is not HTTP/1")
        headers: dict[str, str] = {}
        for line in lines[1:]:
            name, _, value = line.decode("latin-1").partition(":")
            name, value = name.strip().lower(), value.strip()
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        return int(part[1]), headers

    def chunks(self) -> bytes:
        """A body in chunks: each with its length in hex before it; one byte more than the limit at most."""
        body: list[bytes] = []
        taken = 0
        while taken <= BODY_LIMIT_BYTES:
            size_text = self.line(CHUNK_LINE_LIMIT_BYTES).partition(b";")[0].strip()
            try:
                size = int(size_text, 16)
            except ValueError:
                size = -1
            if size < 0:
                raise HttpFailed("potongan jawabannya rusak", "its answer is in chunks that are malformed")
            if size == 0:
                break  # trailers would follow: the connection is closed, nobody needs them
            wanted = min(size, BODY_LIMIT_BYTES + 1 - taken)
            body.append(self.exactly(wanted))
            taken += wanted
            if wanted == size and self.line(CHUNK_LINE_LIMIT_BYTES):
                raise HttpFailed("potongan jawabannya rusak", "its answer is in chunks that are malformed")
        return b"".join(body)

    def exactly(self, size: int) -> bytes:
        """So many bytes, at most one more than the limit.

        Raises:
            HttpFailed: the connection ended before.
        """
        size = min(size, BODY_LIMIT_BYTES + 1)
        while len(self.buffer) < size:
            if not self.more():
                raise HttpFailed(
                    f"jawabannya terputus setelah {len(self.buffer)} dari {size} bita",
                    f"its answer breaks off after {len(self.buffer)} of {size} bytes",
                )
        taken, self.buffer = self.buffer[:size], self.buffer[size:]
        return taken

    def rest(self) -> bytes:
        """Everything until the other side closes, at most one byte more than the limit."""
        while len(self.buffer) <= BODY_LIMIT_BYTES and self.more():
            pass
        return self.buffer[: BODY_LIMIT_BYTES + 1]

    def line(self, limit: int) -> bytes:
        """The next line, without its end."""
        while b"\n" not in self.buffer:
            if len(self.buffer) > limit:
                raise HttpFailed("sebaris jawabannya terlalu panjang", "a line of its answer is longer than allowed")
            if not self.more():
                if not self.buffer:
                    raise HttpFailed("sambungan ditutup tanpa jawaban", "the connection was closed without an answer")
                raise HttpFailed("jawabannya terputus", "its answer breaks off")
        line, _, self.buffer = self.buffer.partition(b"\n")
        return line.rstrip(b"\r")

    def more(self) -> bool:
        """Take in what has come; False where the other side has closed."""
        self.stream.settimeout(left(self.deadline))
        received = self.stream.recv(65536)
        self.buffer += received
        return bool(received)


def length_of(value: str) -> int:
    """The value of Content-Length.

    Raises:
        HttpFailed: it is not one number.
    """
    lengths = {part.strip() for part in value.split(",")}
    only = lengths.pop()
    if lengths or not (only.isascii() and only.isdigit()) or len(only) > 18:
        raise HttpFailed(f"Content-Length salah: {value}", f"wrong Content-Length: {value}")
    return int(only)


def left(deadline: float) -> float:
    """Seconds until the deadline.

    Raises:
        socket.timeout: it has passed.
    """
    seconds = deadline - time.monotonic()
    if seconds <= 0:
        raise socket.timeout("timed out")
    return seconds
