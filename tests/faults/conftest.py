"""What the tests of faults have in common: the process that their runs are forked from."""

from collections.abc import Iterator

import pytest

from tests.faults.launcher import Launcher


@pytest.fixture(scope="session")
def launcher(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Launcher]:
    with Launcher(tmp_path_factory.mktemp("runs")) as launcher:
        yield launcher
