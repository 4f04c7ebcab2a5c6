import pytest

from delivery.packages import DeliveryError, PackageId, built, checked, notes
from tests.delivery.conftest import COMMIT

CHANGELOG = """\
# Changelog

## [Unreleased]

## [0.2.0] - 2026-12-01

### Added

- What is new.

## [0.1.0] - 2026-11-01

- The first.
"""


@pytest.mark.parametrize(
    ("told", "why"),
    [
        ({"byte_code_by": None}, "no byte code"),
        ({"commit": f"{COMMIT}+"}, "without changes"),
        ({"commit": None}, "without changes"),
        ({"sha256": "0" * 64}, "its manifest says"),
    ],
)
def test_what_should_run_nowhere_else_is_refused(made, told, why):
    good = made()
    with pytest.raises(DeliveryError, match=why):
        checked(good.manifest | told, good.archive)


def test_a_folder_without_a_package_is_no_package(tmp_path):
    with pytest.raises(DeliveryError, match="make package"):
        built(tmp_path)


@pytest.mark.parametrize("text", ["0.1.0", "0.1.0/abc", f"../{'0' * 64}", f"0.1.0/{'0' * 64}/x", f"/{'0' * 64}"])
def test_a_package_is_named_by_version_and_content(text):
    with pytest.raises(DeliveryError, match="VERSION/SHA256"):
        PackageId.parse(text)


def test_a_release_tells_its_own_section_of_the_changelog():
    assert notes(CHANGELOG, "0.2.0", "v0.2.0") == "### Added\n\n- What is new."


def test_a_tag_of_another_version_is_refused():
    with pytest.raises(DeliveryError, match=r"the tag is v0\.3\.0"):
        notes(CHANGELOG, "0.2.0", "v0.3.0")


@pytest.mark.parametrize("version", ["0.3.0", "0.20", "Unreleased"])
def test_a_release_without_notes_is_refused(version):
    with pytest.raises(DeliveryError, match="has no section"):
        notes(CHANGELOG, version, f"v{version}")
