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
    if not isinstance(error, ClientError):
        return StageError(
            f"cannot reach {url}: {verdict.meaning} ({type(error).__name__})",
            remedy=verdict.remedy,
            retryable=verdict.retryable,
        )
    told = error.response["Error"]
    code = str(told.get("Code"))
    doing = f"{url} refuses {error.operation_name}: {verdict.meaning} ({code})"
    if code in ("NoSuchBucket", "404"):
        return StageError(f"there is no bucket for {url}", remedy="correct stage.url, or make the bucket")
    if code.startswith("KMS") or "kms:" in str(told.get("Message")):
        return StageError(
            f"{url} refuses {error.operation_name}: its KMS key may not be used ({code})",
            remedy="correct stage.kms_key, and allow the role kms:GenerateDataKey and kms:Decrypt on it",
        )
    if code in ("AccessDenied", "403"):
        return StageError(doing, remedy=f"correct stage.url, or allow the role {_BELOW}, {_BUCKET}")
    if code in ("PermanentRedirect", "AuthorizationHeaderMalformed", "301"):
        return StageError(
            f"{url} is in another region than aws.region ({code})", remedy="set aws.region to that of the bucket"
        )
    if code == "NoSuchUpload":  # given up by a sweep, or the answer to its end was lost: another attempt begins anew
        return StageError(f"{url} knows no such upload any more", remedy="run again", retryable=True)
    return StageError(doing, remedy=verdict.remedy, retryable=verdict.retryable)
