"""A prediction beside the published figure that it is held against."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Check:
    """One published figure and what a model predicts for it.

    band: the ratios, predicted over published, that count as met. fitted_on: which constant was taken from the figure,
    or "" if none. reason: why it misses, if it does.
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
