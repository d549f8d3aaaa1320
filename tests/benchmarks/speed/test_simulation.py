from earspan.backends.workload.models import DIMENSIONS
from earspan.benchmarks.speed import simulation


def test_the_sweep_is_of_every_device_model_window_and_batch():
    assert len({gpu.name for gpu in simulation.sweep_devices()}) == 12
    grid = simulation.sweep_grid("fit")
    assert len(set(grid)) == 8 * 60 * 8
    assert {work.padding for work in grid} == {"fit"}
    assert {work.dims for work in grid} <= set(DIMENSIONS.values())
