"""Proofs are random, seeded and counted; they work with the engine of the integration tests."""

from tests.integration.conftest import engine

__all__ = ["engine"]
