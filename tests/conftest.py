"""Settings that hold for every test: the Hypothesis profiles and `--bless`."""

from __future__ import annotations

import os
import resource

import hypothesis
import pytest

pytest_plugins = "pytester"

DESCRIPTORS = 16_384

hypothesis.settings.register_profile(
    "ci", derandomize=True, deadline=None, max_examples=100, print_blob=True
)
hypothesis.settings.register_profile("dev", deadline=None, max_examples=50, print_blob=True)
hypothesis.settings.register_profile("deep", deadline=None, max_examples=5000, print_blob=True)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))


def pytest_configure() -> None:
    """Allow as many descriptors as the system does: each host that a test makes in its own process
    has a latch for every process of its server, and keeps them as long as the process lives.
    """
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, DESCRIPTORS), most))


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--bless` is what ./dev bless passes."""
    parser.addoption(
        "--bless",
        action="store_true",
        help="write what the golden tests print into their files; review the diff",
    )


@pytest.fixture
def bless(request: pytest.FixtureRequest) -> bool:
    """Whether golden files are to be rewritten instead of compared."""
    return bool(request.config.getoption("--bless"))
