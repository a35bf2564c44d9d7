"""file-system-certificate: the same as an inline-certificate, in files of the gateway's host.

Since 1.20. The files are read where the gateway runs; here there is nothing to look at.
"""

from typing import Final

from typing_extensions import override

from catalog.errors import Invalid
from catalog.rows.config_entry.entry import Entry

FILE_SYSTEM_CERTIFICATE: Final = "file-system-certificate"


class FileSystemCertificate(Entry, frozen=True, kw_only=True, tag=FILE_SYSTEM_CERTIFICATE):
    """Paths of a chain, leaf first, and of the leaf's key, both PEM."""

    certificate: str = ""
    private_key: str = ""

    @override
    def validate(self) -> None:
        super().validate()
        if not self.certificate:
            raise Invalid("certificate path is required")
        if not self.private_key:
            raise Invalid("private key path is required")
