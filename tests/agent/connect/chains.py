"""Whether a peer that trusts given roots believes what is sent in a handshake: asked of OpenSSL."""

import re
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path

_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----\n", re.S)


def is_trusted(sent_pem: str, roots_pem: Iterable[str], at_s: float) -> bool:
    """``sent_pem`` is the leaf with what comes after it; for both ends of mutual TLS."""
    leaf, *above = _CERTIFICATE.findall(sent_pem)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "leaf").write_text(leaf)
        (folder / "roots").write_text("".join(roots_pem))
        command = ["openssl", "verify", "-attime", str(int(at_s)), "-x509_strict"]
        command += ["-no-CApath", "-no-CAstore", "-CAfile", str(folder / "roots")]
        if above:
            (folder / "above").write_text("".join(above))
            command += ["-untrusted", str(folder / "above")]
        ends = [
            subprocess.run(
                [*command, "-purpose", purpose, str(folder / "leaf")],
                capture_output=True,
                text=True,
                timeout=20,
                check=False,
            )
            for purpose in ("sslserver", "sslclient")
        ]
    return all(end.returncode == 0 for end in ends)
