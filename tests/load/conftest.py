"""The engine of the integration tests."""

from tests.integration.conftest import engine

__all__ = ["engine"]
