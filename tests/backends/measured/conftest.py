import subprocess

import pytest


@pytest.fixture
def certificate(tmp_path) -> tuple[str, str]:
    """The files of a certificate for 127.0.0.1 that nobody vouches for, and of its key."""
    pair = str(tmp_path / "cert.pem"), str(tmp_path / "key.pem")
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
    try:
        subprocess.run([*made, "-out", pair[0], "-keyout", pair[1]], check=True, capture_output=True)
    except OSError:
        pytest.skip("no openssl to make a certificate with")
    return pair
