import json

import pytest

from delivery.artifactory import Artifactory
from delivery.packages import DeliveryError, built
from tests.delivery.artifactory_front import TOKEN


@pytest.fixture
def uploaded(artifactory, made, dist):
    package, files = built(dist(made()))[0]
    assert Artifactory.of(artifactory.workflow).put(package, files)
    return package


def test_a_workflow_uploads_by_its_identity_and_what_it_uploaded_is_read_back(artifactory, uploaded, made):
    folder = f"borealis/{uploaded.id}"
    names = ["borealis-arm64.cdx.json", "borealis-arm64.json", "borealis-arm64.zip"]
    assert sorted(artifactory.files) == [f"{folder}/{name}" for name in names]
    reader = Artifactory.of({**artifactory.workflow, "ARTIFACTORY_TOKEN": TOKEN})
    assert reader.get(uploaded.id) == made()


def test_the_manifest_is_written_last_so_that_no_half_of_a_package_is_ever_found(artifactory, uploaded):
    assert [line for line in artifactory.requests if line.startswith("PUT")][-1].endswith("/borealis-arm64.json")


def test_the_same_package_is_uploaded_once(artifactory, uploaded, dist, tmp_path):
    package, files = built(tmp_path / "dist")[0]
    before = dict(artifactory.files)
    assert not Artifactory.of(artifactory.workflow).put(package, files)
    assert artifactory.files == before


def test_an_upload_that_died_is_gone_on_with_although_nothing_can_be_written_twice(artifactory, made, dist):
    package, files = built(dist(made()))[0]
    artifactory.files[f"borealis/{package.id}/borealis-arm64.zip"] = package.archive
    assert Artifactory.of(artifactory.workflow).put(package, files)
    assert Artifactory.of(artifactory.workflow).get(package.id) == package


def test_a_service_that_is_busy_is_asked_again(artifactory, uploaded):
    artifactory.failures = [503, 429]
    assert Artifactory.of(artifactory.workflow).get(uploaded.id) == uploaded


@pytest.mark.parametrize("name", ["borealis-arm64.zip", "borealis-arm64.json"])
def test_a_package_that_was_tampered_with_is_refused(artifactory, uploaded, made, name):
    other = made("0.1.0", commit="f" * 40) if name.endswith("json") else made("6.6.6")
    files = {"borealis-arm64.zip": other.archive, "borealis-arm64.json": b'{"name": "x", "sha256": "0"}'}
    artifactory.files[f"borealis/{uploaded.id}/{name}"] = files[name]
    with pytest.raises(DeliveryError, match="build it again"):
        Artifactory.of(artifactory.workflow).get(uploaded.id)


def test_another_package_at_the_path_of_this_one_is_refused(artifactory, uploaded, made):
    other = made("6.6.6")
    folder = f"borealis/{uploaded.id}"
    artifactory.files[f"{folder}/borealis-arm64.zip"] = other.archive
    artifactory.files[f"{folder}/borealis-arm64.json"] = json.dumps(other.manifest).encode()
    with pytest.raises(DeliveryError, match="lies where"):
        Artifactory.of(artifactory.workflow).get(uploaded.id)


@pytest.mark.parametrize(
    ("variables", "why"),
    [
        ({"ARTIFACTORY_URL": ""}, "ARTIFACTORY_URL not set"),
        ({"ARTIFACTORY_PROVIDER": ""}, "no login at Artifactory"),
        ({"ARTIFACTORY_PROVIDER": "another"}, "exchange of identities"),
        ({"ACTIONS_ID_TOKEN_REQUEST_TOKEN": "stolen"}, "GitHub answers 401"),
    ],
)
def test_who_cannot_log_in_is_told_what_is_missing(artifactory, variables, why):
    with pytest.raises(DeliveryError, match=why):
        Artifactory.of(artifactory.workflow | variables)


def test_a_token_without_a_right_is_told_so_and_never_shown(artifactory, uploaded):
    with pytest.raises(DeliveryError) as refused:
        Artifactory(artifactory.url, "packages", "a-secret").get(uploaded.id)
    assert "its token is not valid" in str(refused.value)
    assert "a-secret" not in str(refused.value)
