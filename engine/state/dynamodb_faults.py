"""What a failed request to DynamoDB means: the fault, what to do about it, and whether it may pass later. Pure."""

from __future__ import annotations

from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, NoRegionError

from engine.aws import verdict_on
from engine.errors import StateError

_UNKNOWN_IDENTITY = {
    "ExpiredTokenException",
    "IncompleteSignatureException",
    "InvalidSignatureException",
    "MissingAuthenticationTokenException",
    "UnrecognizedClientException",
}


def fault_of(error: ClientError | BotoCoreError, table: str) -> StateError:
    """The SDK has sent the request several times already where that can help (engine.aws)."""
    if isinstance(error, ClientError):
        return _answered(error, table)
    if isinstance(error, NoRegionError):
        return StateError(f"the region of the DynamoDB table {table} is not known", remedy="set aws.region")
    if isinstance(error, NoCredentialsError):
        return StateError(
            f"there are no AWS credentials for the DynamoDB table {table}",
            remedy="run with a role, or set AWS_PROFILE; without AWS, remove state.table and use state.path",
        )
    return StateError(
        f"cannot reach the DynamoDB table {table} ({type(error).__name__})",
        remedy="check the route to DynamoDB; a function in a VPC needs a gateway endpoint for it",
        retryable=verdict_on(error).retryable,
    )


def _answered(error: ClientError, table: str) -> StateError:
    code = error.response["Error"].get("Code", "")
    action = f"dynamodb:{error.operation_name}"
    if code == "ResourceNotFoundException":
        return StateError(
            f"there is no DynamoDB table {table} in this account and region",
            remedy="set state.table and aws.region to what Terraform made, or apply Terraform",
        )
    if code == "AccessDeniedException":
        return StateError(
            f"this identity may not do {action} on the DynamoDB table {table}",
            remedy=f"allow {action} on the table in the role's policy, and on its KMS key where it has one",
        )
    if code in _UNKNOWN_IDENTITY:
        return StateError(
            f"DynamoDB refuses the AWS credentials of this process ({code})",
            remedy="renew them; a function gets them from its role",
        )
    if verdict_on(error).retryable:
        return StateError(
            f"DynamoDB did not take {action} on the table {table} in time ({code})",
            remedy="run again; where it comes back, let the table scale on demand",
            retryable=True,
        )
    return StateError(
        f"DynamoDB refused {action} on the table {table} ({code})",
        remedy="compare the table with docs/state.md: its keys are the strings pk and sk",
    )
