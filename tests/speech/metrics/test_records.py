"""Records are written and read as JSON by their types alone, and come back as they were."""

import msgspec
import pytest
from earspan.speech.metrics.boundary import BoundaryErrors, Place
from earspan.speech.metrics.latency import LatencySummary
from earspan.speech.metrics.significance import Difference, Mapsswe
from earspan.speech.metrics.wer import ErrorRate

from ..planted import call_record


@pytest.mark.parametrize(
    "record",
    [
        call_record(0.0, 5.0, ("thank", "you"), interim=("for",)),
        BoundaryErrors((Place(0.0, 0.0, ErrorRate(1, 2, 3, 40)), Place(8.0, None, ErrorRate.zero())), *range(8)),
        LatencySummary(0.5, 1.0, None, 7),
        Difference(-0.01, (-0.02, 0.0), 0.04),
        Mapsswe(5, None, None),
    ],
)
def test_a_record_comes_back_from_json(record):
    assert msgspec.json.decode(msgspec.json.encode(record), type=type(record)) == record
