"""Settings of what surrounds the engine in the cloud: Vault, an external stage, the AWS resources. Pure."""

from __future__ import annotations

from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import ByteSize, Field, SecretStr, field_validator, model_validator

from engine.config_types import FilePath, Seconds, Section, StoredName, VaultPath, is_here

MIB = 1024 * 1024


class Vault(Section):
    """HashiCorp Vault, where secrets come from: `source.vault` and `target.vault` name paths in it."""

    address: str = Field(
        pattern=r"^https?://[^\s/@]+(/[^\s]*)?$",
        description="URL of the server.",
        examples=["https://vault.example.com:8200"],
    )
    namespace: str | None = Field(default=None, description="Namespace, of Vault Enterprise or HCP.")
    auth: Literal["iam", "token"] = Field(
        default="iam", description="Login: `iam` signs with the function's own AWS identity; `token` uses `token`."
    )
    role: str | None = Field(default=None, description="With `iam`: Vault's role that the AWS identity is bound to.")
    mount: VaultPath = Field(default="aws", description="With `iam`: where the AWS auth method is mounted.")
    region: str | None = Field(
        default=None,
        description="With `iam`: region of the STS endpoint that the login is signed for, such as that of a VPC "
        "endpoint; without it the global one.",
    )
    server_id: str | None = Field(
        default=None, description="With `iam`: value of X-Vault-AWS-IAM-Server-ID, where the server asks for it."
    )
    token: SecretStr | None = Field(default=None, description="With `token`: the token; for the environment.")
    token_file: FilePath | None = Field(default=None, description="With `token`: file that holds it.")
    ca_file: FilePath | None = Field(default=None, description="File of the certificates that Vault's is checked with.")
    timeout_s: Seconds = Field(default=10, gt=0, description="Seconds that one request may take.")

    @field_validator("address")
    @classmethod
    def _private(cls, address: str) -> str:
        url = urlsplit(address)
        if url.scheme == "http" and not is_here(url.hostname or ""):
            raise ValueError("would send token and secrets in the clear; write https://")
        return address

    @model_validator(mode="after")
    def _login(self) -> Self:
        if self.auth == "iam" and not self.role:
            raise ValueError('role is required with auth = "iam"; set it to the role of the AWS auth method')
        if self.auth == "token" and (self.token is None) == (self.token_file is None):
            raise ValueError('auth = "token" needs either token or token_file; set one of them')
        return self


class Stage(Section):
    """Where files wait between source and target: the target's own stage, or a bucket of yours."""

    url: str | None = Field(
        default=None,
        pattern=r"^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[^\s']*)?$",
        description="`s3://bucket/prefix` of an external stage; without it the target's internal stage is used.",
        examples=["s3://acme-borealis-stage/prod"],
    )
    storage_integration: StoredName | None = Field(
        default=None,
        description="Snowflake's storage integration that may read `url`; needed with `url`. Upper-cased unless in "
        "double quotes.",
    )
    kms_key: str | None = Field(
        default=None, description="KMS key that encrypts the files in the bucket; without it the bucket's default."
    )
    part_bytes: ByteSize = Field(
        default=ByteSize(8 * MIB),
        ge=5 * MIB,
        le=512 * MIB,
        description="Bytes of one part of a multipart upload; twice this much memory a reader.",
    )

    @model_validator(mode="after")
    def _readable(self) -> Self:
        if self.url is not None and self.storage_integration is None:
            raise ValueError("storage_integration is required with url; set it to the integration that may read it")
        return self


class Aws(Section):
    """The AWS resources around the functions; Terraform sets these in their environment."""

    region: str | None = Field(default=None, description="Region; without it that of the environment.")
    state_machine: str | None = Field(
        default=None,
        description="ARN of the state machine that fans a run out; without it functions follow one another.",
    )
    snapshot_function: str | None = Field(
        default=None, description="Name or ARN of the function that holds a run's snapshot; fan-out needs it."
    )
    dead_letter_queue: str | None = Field(
        default=None, description="URL of the SQS queue that takes what failed for good, for `borealis replay`."
    )
    topic: str | None = Field(default=None, description="ARN of the SNS topic that is told of failures.")
    audit_log_group: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9_/.#-]{1,512}$",
        description="Log group that takes the audit log: who asked for which run, and how it ended. A function whose "
        "beginning cannot be written there runs nothing.",
        examples=["/borealis-prod/audit"],
    )
    signing_key: str | None = Field(
        default=None,
        min_length=1,
        description="Asymmetric KMS key (ECC_NIST_P256 or RSA; id, ARN or alias) that signs the receipts of completed "
        "runs, and that `borealis audit` asks for.",
        examples=["alias/borealis-prod-receipts"],
    )
    results_bucket: str | None = Field(default=None, description="Bucket that takes the results of benchmark runs.")
