"""docs/deployment/nginx.conf on loopback, with servers of ours behind it."""

import contextlib
import os
import re
import shutil
import socket
import ssl
import subprocess
import time
from pathlib import Path

NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
OPENSSL = shutil.which("openssl")
MISSING = " and ".join(
    name for name, found in (("nginx", NGINX), ("openssl", OPENSSL)) if not found
)
SITE = Path(__file__).parents[2] / "docs" / "deployment" / "nginx.conf"
MAIN = """
daemon off;
{user}pid {folder}/nginx.pid;
error_log {folder}/error.log info;
worker_processes 1;
worker_rlimit_nofile 16384;
events {{ worker_connections 4096; }}
http {{
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/site.conf;
}}
"""


def free_port():
    """A port that nothing listens at now."""
    with socket.socket() as ear:
        ear.bind(("127.0.0.1", 0))
        return ear.getsockname()[1]


class Nginx:
    """A proxy; `port` is that of TLS, `plain` the other, `context` trusts it.

    `asked` is for what comes through.
    """

    def __init__(self, folder, servers):
        self.asked = []
        self.folder, self.port, self.plain = folder, free_port(), free_port()
        self.certificate = folder / "fullchain.pem"
        subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
        key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        places = ["-keyout", folder / "privkey.pem", "-out", self.certificate]
        command = [OPENSSL, "req", "-x509", *key, "-days", "2", *subject, *places]
        subprocess.run(command, check=True, capture_output=True)
        (folder / "site.conf").write_text(self._site(servers))
        user = "user root;\n" if os.geteuid() == 0 else ""
        (folder / "nginx.conf").write_text(MAIN.format(folder=folder, user=user))
        self.context = ssl.create_default_context(cafile=str(self.certificate))
        self.command = [NGINX, "-p", folder, "-c", folder / "nginx.conf"]
        self.command += ["-e", folder / "error.log"]

    def _site(self, servers):
        """The example with what is marked as yours put in."""
        text = SITE.read_text()
        lines = "".join(f"server {one} fail_timeout=1s;\n" for one in servers)
        for yours, ours in (
            ("server unix:/run/jaxrestore/web.sock;", lines),
            ("/etc/ssl/restore.example.com", str(self.folder)),
            ("restore.example.com", "localhost"),
            ("listen 443", f"listen 127.0.0.1:{self.port}"),
            ("listen 80", f"listen 127.0.0.1:{self.plain}"),
        ):
            assert yours in text, yours
            text = text.replace(yours, ours)
        return re.sub(r"^ *listen \[::\].*\n", "", text, flags=re.MULTILINE)

    @property
    def url(self):
        """Where it is."""
        return f"https://localhost:{self.port}"

    @contextlib.contextmanager
    def running(self):
        """Inside, it answers."""
        process = subprocess.Popen([*self.command, "-g", "master_process on;"])
        try:
            end = time.monotonic() + 10
            while not self._answers():
                assert process.poll() is None and time.monotonic() < end
                time.sleep(0.02)
            yield self
        finally:
            process.terminate()
            process.wait(20)

    def _answers(self):
        with socket.socket() as mouth:
            return mouth.connect_ex(("127.0.0.1", self.port)) == 0

    def connected(self, source="127.0.0.1", seconds=10.0, name="localhost"):
        """A connection with TLS to a name, from an address of loopback."""
        mouth = socket.create_connection(
            ("127.0.0.1", self.port), timeout=seconds, source_address=(source, 0)
        )
        return self.context.wrap_socket(mouth, server_hostname=name)

    def talk(self, raw, source="127.0.0.1", seconds=10.0):
        """Sends bytes, and returns all that comes until the connection ends."""
        heard = b""
        with self.connected(source, seconds) as mouth:
            with contextlib.suppress(OSError):
                mouth.sendall(raw)
            with contextlib.suppress(OSError):
                while chunk := mouth.recv(65536):
                    heard += chunk
        return heard
