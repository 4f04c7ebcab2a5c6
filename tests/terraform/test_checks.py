"""What must hold of every environment."""

import pytest

from tests.terraform.checks import CHECKS


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_of_every_environment(rendered, check):
    check(rendered)
