"""Which errors of other systems may pass by themselves, and which need a hand; docs/errors.md shows it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Verdict(NamedTuple):
    """What an error of another system means for a run."""

    meaning: str
    retryable: bool
    """The same step, without anybody's doing, may succeed within minutes."""
    remedy: str


_GRANT = "allow the function's role the action that the message names"
_BUSY = "run again; where it stays, ask AWS to raise the quota"
_WAIT = "run again"

AWS: Mapping[str, Verdict] = {
    "AccessDenied": Verdict("the identity may not do this", False, _GRANT),
    "AccessDeniedException": Verdict("the identity may not do this", False, _GRANT),
    "UnrecognizedClientException": Verdict("the credentials are not known", False, "correct the AWS credentials"),
    "InvalidClientTokenId": Verdict("the credentials are not known", False, "correct the AWS credentials"),
    "SignatureDoesNotMatch": Verdict("the credentials are wrong", False, "correct the AWS credentials"),
    "ExpiredToken": Verdict("the credentials have expired", False, "log in to AWS again"),
    "ExpiredTokenException": Verdict("the credentials have expired", False, "log in to AWS again"),
    "Throttling": Verdict("too many requests", True, _BUSY),
    "ThrottlingException": Verdict("too many requests", True, _BUSY),
    "TooManyRequestsException": Verdict("too many requests, or functions at once", True, _BUSY),
    "RequestLimitExceeded": Verdict("too many requests", True, _BUSY),
    "ProvisionedThroughputExceededException": Verdict(
        "the table's capacity is used up", True, "run again; give the table capacity on demand"
    ),
    "SlowDown": Verdict("too many requests for the bucket's prefix", True, _BUSY),
    "TransactionConflictException": Verdict("another writer was at the item", True, _WAIT),
    "InternalServerError": Verdict("a fault inside AWS", True, _WAIT),
    "InternalError": Verdict("a fault inside AWS", True, _WAIT),
    "InternalFailure": Verdict("a fault inside AWS", True, _WAIT),
    "ServiceUnavailable": Verdict("a fault inside AWS", True, _WAIT),
    "ServiceUnavailableException": Verdict("a fault inside AWS", True, _WAIT),
    "ServiceException": Verdict("a fault inside AWS", True, _WAIT),
    "RequestTimeout": Verdict("the connection was too slow", True, _WAIT),
    "RequestTimeTooSkewed": Verdict("the clock is wrong", False, "set this machine's clock"),
    "ResourceNotFoundException": Verdict("it is not there", False, "check its name and region"),
    "ParameterNotFound": Verdict("there is no such parameter", False, "check its name and region"),
    "NoSuchBucket": Verdict("there is no such bucket", False, "check its name"),
    "NoSuchKey": Verdict("there is no such object", False, "check its key"),
    "StateMachineDoesNotExist": Verdict("there is no such state machine", False, "check aws.state_machine"),
    "AWS.SimpleQueueService.NonExistentQueue": Verdict("there is no such queue", False, "check aws.dead_letter_queue"),
    "NotFound": Verdict("there is no such topic", False, "check aws.topic"),
    "KMSAccessDeniedException": Verdict("the identity may not use the key", False, "allow it kms:Decrypt on the key"),
    "ExecutionLimitExceeded": Verdict("too many executions run", True, _BUSY),
}
"""By the code of an answer. Of others, an HTTP status of 500 and above is retryable."""

AWS_UNREACHED: Mapping[str, Verdict] = {
    "NoCredentialsError": Verdict("there are no credentials", False, "give the function a role, or log in to AWS"),
    "PartialCredentialsError": Verdict("the credentials are incomplete", False, "log in to AWS again"),
    "NoRegionError": Verdict("no region is set", False, "set aws.region"),
    "ParamValidationError": Verdict("a setting has a form that AWS refuses", False, "check the ARN, name or URL"),
    "EndpointConnectionError": Verdict("the service cannot be reached", True, "check the VPC endpoint and its DNS"),
    "ConnectTimeoutError": Verdict("the service cannot be reached", True, "check the VPC endpoint's security group"),
    "ReadTimeoutError": Verdict("no answer in time", True, _WAIT),
    "ConnectionClosedError": Verdict("the connection was lost", True, _WAIT),
    "HTTPClientError": Verdict("the connection was lost", True, _WAIT),
    "ResponseStreamingError": Verdict("the connection was lost", True, _WAIT),
    "SSLError": Verdict("TLS failed", False, "check the VPC endpoint and AWS_CA_BUNDLE"),
}
"""By the SDK's own class, where no answer came. Of others none is retryable."""
