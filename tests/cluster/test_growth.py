"""What `earspan speed sweep` measures is a whole sweep: every call planned, heard, stored and scored."""

from earspan.benchmarks.speed.sweeps import measure_sweep


def test_ten_times_the_calls_take_about_ten_times_the_bytes_and_no_more_memory(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    few, many = measure_sweep(1000, recordings=100), measure_sweep(10_000, recordings=100)
    assert (few.calls, few.experiments, many.calls, many.experiments) == (1000, 1, 10_000, 10)
    assert 7 < many.stored_bytes / few.stored_bytes < 13
    assert 9 < many.runs_bytes / few.runs_bytes < 11
    assert many.hear_bytes < few.hear_bytes + 100e6
    assert many.write_bytes < few.write_bytes + 100e6
