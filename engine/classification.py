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

    @property
    def advice(self) -> str:
        """Beside the other system's own message."""
        return f"{self.meaning}: {self.remedy}" if self.remedy else self.meaning


# --- PostgreSQL -------------------------------------------------------------------------------------------------

SOURCE: Mapping[str, Verdict] = {
    "28P01": Verdict(
        "the password is wrong", False, "check source.dsn and source.password, or the secret at source.vault"
    ),
    "28000": Verdict(
        "the role may not log in", False,
        "check source.dsn or source.vault, and the server's pg_hba.conf; with rds-iam the policy rds-db:connect",
    ),
    "3D000": Verdict("there is no such database", False, "check the database name at the end of source.dsn"),
    "42501": Verdict("the role lacks a right", False, "GRANT SELECT on the table, USAGE on its schema"),
    "42P01": Verdict("the table is gone", False, "check the name, or run again"),
    "53300": Verdict("the server has no free connection", True, "lower limits.readers, or raise max_connections"),
    "53200": Verdict(
        "the server has no memory for more locks", False, "raise max_locks_per_transaction, or name fewer tables"
    ),
    "53100": Verdict("the server's disk is full", True, "run again when there is room"),
    "55P03": Verdict(
        "another session holds a lock on the table, and held it for source.lock_timeout_s", False,
        "run again later, or raise source.lock_timeout_s",
    ),
    "08001": Verdict(
        "the source cannot reach the server of a foreign table", False, "mend that, or exclude the table"
    ),
    "55000": Verdict(
        "a materialized view is empty still", False, "REFRESH MATERIALIZED VIEW fills it"
    ),
    "57014": Verdict(
        "it was cancelled", True, "see statement_timeout at the server and source.statement_timeout_s, and who cancels"
    ),
    "40001": Verdict(
        "the standby removed rows that we still read", True, "set hot_standby_feedback = on there, or run again"
    ),
    "40P01": Verdict("a deadlock at the source", True, "run again"),
    "57P01": Verdict("the server was shut down, or an administrator ended the session", True, "run again"),
    "57P02": Verdict("the server crashed", True, "run again when it is back"),
    "57P03": Verdict("the server is starting or stopping", True, "run again in a moment"),
    "57P04": Verdict("the database was dropped", False, "check the database name at the end of source.dsn"),
    "25P03": Verdict(
        "the server ended the session", True, "idle_in_transaction_session_timeout is enforced there: raise it"
    ),
    "57P05": Verdict("the server ended the session", True, "idle_session_timeout is enforced there: raise it"),
    "72000": Verdict("the snapshot is too old", False, "set old_snapshot_threshold = -1 at the server"),
    "22021": Verdict(
        "a text is not valid UTF-8, the database's encoding being SQL_ASCII", False,
        "repair the rows or exclude the column",
    ),
    "22P05": Verdict(
        "a JSON text has \\u0000, which jsonb refuses", False, "set the column's type to VARCHAR"
    ),
}  # fmt: skip
"""By SQLSTATE."""

SOURCE_CLASSES: Mapping[str, Verdict] = {
    "08": Verdict("the connection was lost", True, "run again"),
    "53": Verdict("the server lacks a resource", True, "run again when it has it"),
}
"""By the first two characters of a SQLSTATE that is not named itself. Of others none is retryable."""

SOURCE_UNREACHED: Mapping[str, Verdict] = {
    "TLS": Verdict("TLS failed", False, "check source.sslmode and source.sslrootcert"),
    "no TLS": Verdict(
        "the server has no TLS, which source.sslmode asks for",
        False,
        "set ssl = on there; with a lower sslmode password and rows travel in the clear",
    ),
    "lost": Verdict("the connection was lost", True, "run again"),
    "silent": Verdict("no answer in time", True, "check the host, the security groups and source.connect_timeout_s"),
    "unreached": Verdict(
        "the server cannot be reached", True, "check the host and port of source.dsn, and that the server runs"
    ),
    "refused by the driver": Verdict(
        "the driver refuses", False, "check source.dsn, source.sslmode and source.sslrootcert"
    ),
    "malformed": Verdict("the connection string is not valid", False, "check source.dsn"),
}
"""Where no answer came."""


# --- Snowflake --------------------------------------------------------------------------------------------------

TARGET: Mapping[int, Verdict] = {
    6: Verdict("an answer was cut off on its way", True, "check the network path to the target"),
    250001: Verdict(
        "the target cannot be reached", True,
        "check target.account, target.host and the network path (PrivateLink DNS, port 443)",
    ),
    250003: Verdict("a request failed on its way", True, "check the network path to the target"),
    250011: Verdict(
        "whoever answers there cannot prove to be the target", False,
        "check target.host, who is in between, and the certificates that this machine trusts",
    ),
    251005: Verdict("there is no user", False, "set target.user"),
    253003: Verdict("a file did not reach the stage", True, "check the network path to the stage's bucket"),
    290403: Verdict("the target does not know the account, or a network policy forbids", False,
        "check target.account, target.host and the network policy"),
    290404: Verdict("the target does not know the account", False, "check target.account and target.host"),
    390100: Verdict(
        "the login is refused", False,
        "check target.user, its password or key pair, or the secret at target.vault, and target.role",
    ),
    390144: Verdict(
        "the key pair is refused", False,
        "check account, user, key pair (RSA_PUBLIC_KEY of the user) and this machine's clock",
    ),
    390104: Verdict("the session is gone", True, "run again"),
    390111: Verdict("the session is gone", True, "run again"),
    390112: Verdict("the session expired", True, "run again"),
    390114: Verdict("the session expired", True, "run again"),
    390189: Verdict("the role does not exist or is not granted to the user", False, "check target.role"),
    606: Verdict("there is no warehouse", False, "set target.warehouse, and GRANT USAGE on it to the role"),
    90073: Verdict("the resource monitor's quota is used up", False, "raise it"),
    625: Verdict("too many statements wait for a lock on the table", True, "run again later"),
    630: Verdict(
        "the statement ran into its time limit", False,
        "raise target.statement_timeout_s or the warehouse's size",
    ),
    604: Verdict("the statement was cancelled", True, "run again"),
    2003: Verdict(
        "it does not exist, or the role may not use it", False, "check the name and the grants"
    ),
    3001: Verdict("the role lacks a right", False, "GRANT the missing privilege to it"),
    91003: Verdict(
        "the external stage cannot be read", False,
        "let the role of stage.storage_integration read below stage.url, and use its KMS key",
    ),
    100072: Verdict("a NULL in a column that is NOT NULL at the target", False, "allow NULL there, or mend the rows"),
    100076: Verdict(
        "the staged file did not decompress", True, "run again, or set limits.codec to the other codec"
    ),
    100079: Verdict(
        "the staged file did not decompress", True, "run again, or set limits.codec to the other codec"
    ),
    100090: Verdict("the key is not unique at the source", False, "declare `key` with the columns that are"),
}  # fmt: skip
"""By the number of an error. Of others what the driver calls operational is retryable, and HTTP 408, 429 and 5xx."""

TARGET_LOGIN_REFUSED = frozenset({390100, 390144})
"""The password, or the key, is not the user's (any more)."""

TARGET_VALUES = frozenset(
    {100035, 100037, 100038, 100039, 100040, 100046, 100069, 100071, 100074, 100078, 100082, 100115}
)
"""The target refuses a value of a row: never retryable. Its message quotes the value, so ours does not repeat it."""


# --- AWS --------------------------------------------------------------------------------------------------------

_GRANT = "allow the function's role the action that the message names"
_BUSY = "run again; where it stays, ask AWS to raise the quota"
_WAIT = "run again"

AWS: Mapping[str, Verdict] = {
    "AccessDenied": Verdict("the identity may not do this", False, _GRANT),
    "AccessDeniedException": Verdict("the identity may not do this", False, _GRANT),
    "UnrecognizedClientException": Verdict("the credentials are not known", False, "correct the AWS credentials"),
    "InvalidClientTokenId": Verdict("the credentials are not known", False, "correct the AWS credentials"),
    "InvalidSignatureException": Verdict("the credentials are wrong", False, "correct the AWS credentials"),
    "SignatureDoesNotMatch": Verdict("the credentials are wrong", False, "correct the AWS credentials"),
    "ExpiredToken": Verdict("the credentials have expired", False, "log in to AWS again"),
    "ExpiredTokenException": Verdict("the credentials have expired", False, "log in to AWS again"),
    "Throttling": Verdict("too many requests", True, _BUSY),
    "ThrottlingException": Verdict("too many requests", True, _BUSY),
    "TooManyRequestsException": Verdict("too many requests, or functions at once", True, _BUSY),
    "LimitExceededException": Verdict("too many operations at once", True, _BUSY),
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
    "NoSuchUpload": Verdict("the upload has ended, or was given up", True, _WAIT),
    "PermanentRedirect": Verdict("the bucket is in another region", False, "set aws.region to the bucket's"),
    "AuthorizationHeaderMalformed": Verdict("the bucket is in another region", False, "set aws.region to the bucket's"),
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
