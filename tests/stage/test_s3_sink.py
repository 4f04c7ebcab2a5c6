"""One staged file on its way to a bucket: whole or not there at all, and the same bytes as on disk."""

from contextlib import contextmanager

import anyio
import pytest
from botocore.exceptions import ClientError

from engine import aws
from engine.errors import StageError
from engine.model import StagedFile
from engine.spool import SpoolSettings, spool
from engine.stage.disk import DiskSinks
from engine.stage.faults import translated
from engine.stage.s3 import S3Stage
from engine.tasks import Unwrapped
from tests.stage.conftest import MIB, PART_BYTES, rows_of, spooled, stage_of


@pytest.mark.parametrize("codec", ["gzip", "zstd"])
@pytest.mark.parametrize("size", [100, 30 * MIB], ids=["one-put", "parts"])
async def test_the_bytes_of_a_file_are_the_same_on_disk_and_in_the_bucket(bucket, tmp_path, codec, size):
    rows = rows_of(size)
    (on_disk,) = await spooled(DiskSinks(tmp_path), rows, codec=codec)
    async with stage_of(bucket) as stage:
        (in_bucket,) = await spooled(stage, rows, codec=codec)
    (key,) = bucket.objects()
    assert key == f"prod/20261123T101500ABCDEF/20261123T101500ABCDEF_1/{in_bucket.name}"
    facts = bucket.client.head_object(Bucket=bucket.name, Key=key)
    _, _, parts = facts["ETag"].strip('"').partition("-")
    if size > PART_BYTES:
        assert in_bucket.file_bytes // (PART_BYTES + MIB) < int(parts) <= in_bucket.file_bytes // PART_BYTES + 1
    else:
        assert parts == ""
    content = bucket.client.get_object(Bucket=bucket.name, Key=key)["Body"].read()
    assert content == on_disk.path.read_bytes()
    assert in_bucket.path is None
    assert (in_bucket.name, in_bucket.file_bytes) == (on_disk.name, on_disk.file_bytes) == (on_disk.name, len(content))


@pytest.mark.parametrize("size", [100, 30 * MIB], ids=["one-put", "parts"])
async def test_who_clocks_the_wait_for_a_stage_has_the_end_of_a_file_in_it(bucket, size):
    inside: list[tuple[int, int]] = []

    @contextmanager
    def waiting():
        before = len(bucket.objects())
        yield
        inside.append((before, len(bucket.objects())))

    async with stage_of(bucket) as stage:
        await spooled(stage, rows_of(size), waiting=waiting)
    assert inside[-1] == (0, 1)
    assert len(inside) > size // MIB  # each block may be the one that waits


async def test_a_kms_key_encrypts_small_files_and_large(bucket):
    async with stage_of(bucket, kms_key="alias/stage") as stage:
        await spooled(stage, rows_of(100))
        await spooled(stage, rows_of(10 * MIB), codec="zstd")
    answers = [bucket.client.head_object(Bucket=bucket.name, Key=key) for key in bucket.objects()]
    assert [(a["ServerSideEncryption"], a["SSEKMSKeyId"]) for a in answers] == [("aws:kms", "alias/stage")] * 2


@pytest.mark.parametrize("how", ["fails", "is cancelled"])
async def test_a_chunk_that_ends_early_leaves_neither_object_nor_upload(bucket, how):
    tokens = anyio.Semaphore(1)

    async def ready(file: StagedFile) -> None:
        raise AssertionError(file)

    async def begin_and_end(stage: S3Stage, scope: anyio.CancelScope) -> None:
        with Unwrapped():
            async with spool(SpoolSettings(stage, 2**30), tokens, 1, "f/r/c1", ready) as writer:
                await writer.write(rows_of(15 * MIB))
                while not bucket.uploads():
                    await anyio.sleep(0.01)
                assert tokens.value == 0
                if how == "fails":
                    raise ValueError("the source died")
                scope.cancel()
                await anyio.sleep_forever()

    async with stage_of(bucket) as stage:
        try:
            with anyio.CancelScope() as scope:
                await begin_and_end(stage, scope)
        except ValueError:
            assert how == "fails"
    assert (bucket.objects(), bucket.uploads(), tokens.value) == ([], [], 1)


async def test_an_upload_that_a_sweep_gave_up_fails_for_a_reason_that_passes(bucket):
    """Another attempt of the chunk begins a new upload."""

    async def upload(stage: S3Stage) -> None:
        with Unwrapped():
            async with stage.open("f/r/c1_1.csv.gz") as sink:
                sink.add(b"x" * PART_BYTES)
                await sink.drain()
                await stage.remove("f")
                await sink.close()

    async with stage_of(bucket) as stage:
        with pytest.raises(StageError) as caught:
            await upload(stage)
        assert caught.value.retryable
        assert await stage.folders() == set()


async def test_a_folder_is_not_its_neighbour(bucket):
    """`run1` must not take `run10` with it, nor what lies beside the prefix."""
    async with stage_of(bucket) as stage:
        for path in ("run1/a/f", "run10/a/f"):
            async with stage.open(path) as sink:
                await sink.close()
            answer = await stage.call("create_multipart_upload", Key=f"prod/{path}_2")
            assert answer["UploadId"]
        bucket.client.put_object(Bucket=bucket.name, Key="production/run1/f", Body=b"")
        assert await stage.folders() == {"run1", "run10"}
        await stage.remove("run1")
        assert await stage.folders() == {"run10"}
    assert sorted(bucket.objects()) == ["prod/run10/a/f", "production/run1/f"]
    assert bucket.uploads() == ["prod/run10/a/f_2"]


async def test_more_files_are_removed_than_one_request_takes(bucket, monkeypatch):
    monkeypatch.setattr("engine.stage.s3.KEYS_MAX", 2)
    for n in range(5):
        bucket.client.put_object(Bucket=bucket.name, Key=f"prod/run/r/{n}", Body=b"")
    async with stage_of(bucket) as stage:
        await stage.remove("run")
    assert bucket.objects() == []


async def test_faults_name_the_bucket_and_the_remedy(bucket, monkeypatch):
    async def put(url: str) -> None:
        with Unwrapped():
            async with aws.client("s3") as client:
                stage = S3Stage(client, url, part_bytes=PART_BYTES, kms_key=None)
                async with stage.open("f/r/n") as sink:
                    await sink.close()

    async def refused(url: str) -> StageError:
        with pytest.raises(StageError) as caught:
            await put(url)
        return caught.value

    missing = await refused("s3://not-there-at-all/prod")
    assert "s3://not-there-at-all/prod refuses PutObject: there is no such bucket" in str(missing)
    assert "stage.url" in missing.remedy
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    unreached = await refused(bucket.url)
    assert "prod: the service cannot be reached" in str(unreached)
    assert unreached.retryable
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    assert "there are no credentials" in str(await refused(bucket.url))


@pytest.mark.parametrize(
    ("code", "told", "message", "remedy", "retryable"),
    [
        ("NoSuchUpload", "", "the upload has ended", "run again", True),
        ("SlowDown", "", "too many requests", "run again", True),
        ("KMS.DisabledException", "", "its KMS key may not be used", "stage.kms_key", False),
        ("AccessDenied", "not authorized to perform: kms:GenerateDataKey", "its KMS key", "kms:Decrypt", False),
        ("AccessDenied", "", "refuses UploadPart", "s3:AbortMultipartUpload", False),
        ("PermanentRedirect", "", "another region", "aws.region", False),
    ],
)  # fmt: skip
def test_what_s3_answers_is_told_with_what_to_do(code, told, message, remedy, retryable):
    """The codes are of the S3 and KMS references; moto does not give all of them."""
    with pytest.raises(StageError) as caught, translated("s3://b/prod"):
        raise ClientError({"Error": {"Code": code, "Message": told}}, "UploadPart")
    assert message in caught.value.message
    assert remedy in caught.value.remedy
    assert caught.value.retryable is retryable
