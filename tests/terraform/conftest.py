"""Each environment as Terraform renders it, once a session."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.terraform.running import ENVIRONMENTS, TREE, Rendered, Tree, Unreachable

pytest.register_assert_rewrite("tests.terraform.checks")  # which says what was compared


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory, moto_port: int) -> Iterator[Tree]:
    """The tree, initialised. What a provider asks AWS for a plan (who am I, which zones are there) moto answers."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{moto_port}")
        patch.setenv("AWS_ACCESS_KEY_ID", "testing")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        yield initialised(Tree(tmp_path_factory.mktemp("terraform") / "root", TREE))


def initialised(tree: Tree) -> Tree:
    """The test is skipped where Terraform cannot work; in CI it fails."""
    try:
        tree.init()
    except Unreachable as why:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"{why}")
    return tree


@pytest.fixture(scope="session")
def every(root: Tree) -> dict[str, Rendered]:
    return {environment: root.render(environment) for environment in ENVIRONMENTS}


@pytest.fixture(params=ENVIRONMENTS)
def rendered(request: pytest.FixtureRequest, every: dict[str, Rendered]) -> Rendered:
    """One environment after the other."""
    return every[request.param]


@pytest.fixture(scope="session")
def prod(every: dict[str, Rendered]) -> Rendered:
    return every["prod"]


@pytest.fixture
def changed(root: Tree, tmp_path: Path) -> Tree:
    """A copy of the tree, to be broken."""
    return root.copy(tmp_path / "root")
