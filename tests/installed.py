"""What tests need of Debian's packages."""

import pytest
from earspan.speech.pocket.natural import SOURCES

NATURAL_TEXT = all(path.exists() for path in SOURCES.values())
needs_natural_text = pytest.mark.skipif(
    not NATURAL_TEXT, reason=f"natural text is not installed (apt-get install {' '.join(SOURCES)})"
)
