"""A prediction beside the published figure that it is held against."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Check:
    """One published figure and what a model predicts for it.

    name: what was measured. predicted, published: in `unit`. source: of the published figure.
    band: least and largest ratio of predicted over published that counts as met.
    backend: the backend that predicts, if there is one.
    fitted_on: which constant was taken from this figure, or "" if none; with one, the row is no test.
    reason: why the prediction is off, if it is.
    """

    name: str
    predicted: float
    published: float
    unit: str
    source: str
    band: tuple[float, float]
    backend: str = ""
    fitted_on: str = ""
    reason: str = ""

    @property
    def ratio(self) -> float:
        """Predicted over published."""
        return self.predicted / self.published

    @property
    def in_band(self) -> bool:
        """Whether the ratio is within the band."""
        return self.band[0] <= self.ratio <= self.band[1]
