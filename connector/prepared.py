"""Has msgspec work out types when they are defined, as two threads that do so for one type at once crash the process.

Seen with msgspec 0.22: a struct is marked as worked out before its fields are, and a second thread reads them too early
(a segmentation fault). Modules are imported by one thread at a time.
"""

from typing import Any

import msgspec


def prepare(*kinds: Any) -> None:
    """Work out what `kinds`, and all types within them, are made of. To be called by the module that decodes them."""
    for kind in kinds:
        msgspec.json.Decoder(kind)
