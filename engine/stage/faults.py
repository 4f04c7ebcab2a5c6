"""What S3 answers, as a StageError that names the bucket and the setting, or the right, to mend."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError

from engine.aws import verdict_on
from engine.errors import StageError

_BELOW = "s3:PutObject, s3:DeleteObject and s3:AbortMultipartUpload below it"
_BUCKET = "s3:ListBucket and s3:ListBucketMultipartUploads on the bucket"


@contextmanager
def translated(url: str) -> Iterator[None]:
    try:
        yield
    except (ClientError, BotoCoreError, OSError) as error:
        raise _stage_error(error, url) from error


def _stage_error(error: ClientError | BotoCoreError | OSError, url: str) -> StageError:
    verdict = verdict_on(error)
    doing, code, told = url, type(error).__name__, ""
    if isinstance(error, ClientError):
        doing, told = f"{url} refuses {error.operation_name}", str(error.response["Error"].get("Message"))
        code = str(error.response["Error"].get("Code"))
    meaning, remedy = verdict.meaning, verdict.remedy
    if code in ("NoSuchBucket", "404"):
        meaning, remedy = "there is no such bucket", "correct stage.url, or make the bucket"
    elif code.startswith("KMS") or "kms:" in told:
        meaning = "its KMS key may not be used"
        remedy = "correct stage.kms_key, or allow the role kms:GenerateDataKey and kms:Decrypt on it"
    elif code in ("AccessDenied", "403"):
        remedy = f"correct stage.url, or allow the role {_BELOW}, {_BUCKET}"
    return StageError(f"{doing}: {meaning} ({code})", remedy=remedy, retryable=verdict.retryable)
