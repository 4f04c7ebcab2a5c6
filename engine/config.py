"""The settings of a run: typed, valid and frozen. Past this module nothing is parsed and no environment is read.

`load` reads a TOML file and lays the environment over it (`BOREALIS_SOURCE__DSN` is `source.dsn`); `parse` does the
same for values at hand. Both report every fault at once, in a ConfigError, and never repeat a secret.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import ByteSize, Field, SecretStr, ValidationError, ValidationInfo, field_validator, model_validator

from engine.config_cloud import Aws, Stage, Vault
from engine.config_faults import between_settings, of_validation
from engine.config_tables import ColumnOptions, TableDefaults, TableOptions
from engine.config_types import FilePath, Seconds, Section, SourceUrl, StoredName, VaultPath
from engine.config_values import environment_values, file_values, laid_over, text_values
from engine.errors import ConfigError
from engine.selection import Relation, Resolved, select

__all__ = [
    "Aws",
    "ColumnOptions",
    "Config",
    "Limits",
    "Resolved",
    "Source",
    "Stage",
    "State",
    "TableDefaults",
    "TableOptions",
    "Target",
    "Vault",
    "load",
    "load_text",
    "parse",
]

MIB = 1024 * 1024


def _mib(size: int) -> str:
    return f"{size / MIB:,.0f} MiB"


class Source(Section):
    """The PostgreSQL database that is read, with a role that needs nothing but SELECT."""

    dsn: SourceUrl = Field(
        description="URL of the database, or of a hot standby of it.",
        examples=["postgresql://reader@127.0.0.1:5432/shop"],
    )
    primary_dsn: SourceUrl | None = Field(
        default=None,
        description="URL of the primary, where `dsn` is a standby: open writers, which bound a watermark, are there.",
    )
    password: SecretStr | None = Field(default=None, description="Password, over one in the URLs.")
    sslmode: Literal["disable", "allow", "prefer", "require", "verify-ca", "verify-full"] | None = Field(
        default=None,
        description="TLS, over one in the URLs; without either `prefer`. Use `verify-full` outside one machine.",
    )
    sslrootcert: FilePath | None = Field(
        default=None, description="File of the certificates that `verify-full` trusts."
    )
    connect_timeout_s: Seconds = Field(default=10, gt=0, description="Seconds that one connection may take.")
    statement_timeout_s: Seconds = Field(
        default=0,
        description="Seconds that one statement may run at the source; 0 for no limit: a COPY is as long as its chunk.",
    )
    lock_timeout_s: Seconds = Field(default=10, description="Seconds to wait for a lock behind DDL; 0 for no limit.")
    connections_max: int | None = Field(
        default=None,
        ge=2,
        description="Most connections to the source at once, of all functions together; `limits.readers` and one for "
        "the snapshot must fit.",
    )
    connections_spare: int = Field(
        default=3,
        ge=0,
        description="Free connections of the server that are left to others: where fewer are free, a run goes on with "
        "fewer readers.",
    )
    replica_lag_s_max: Seconds | None = Field(
        default=None,
        gt=0,
        description="Seconds that a replica of the source, or the standby that is read, may be behind: above it no new "
        "chunk begins until it has caught up, for a minute at most at a time.",
    )
    vault: VaultPath | None = Field(
        default=None,
        description="Path in Vault of the user name and password: `database/creds/ROLE` for dynamic credentials, or a "
        "secret of KV version 2, as `kv/aurora`.",
        examples=["database/creds/reader"],
    )
    auth: Literal["password", "rds-iam"] = Field(
        default="password", description="`rds-iam` logs in with a token of the function's own AWS identity."
    )


class Target(Section):
    """Snowflake, or the embedded warehouse that stands in for it."""

    local: FilePath | None = Field(
        default=None,
        description="Directory of an embedded warehouse. Either this or `account`.",
        examples=["./warehouse"],
    )
    account: str | None = Field(
        default=None, min_length=1, description="Account identifier. Either this or `local`.", examples=["ORG-ACCOUNT"]
    )
    database: StoredName = Field(
        description="Database; upper-cased unless in double quotes, like each name of the target.",
        examples=["ANALYTICS"],
    )
    schema_name: StoredName = Field(
        alias="schema", description="Schema of the replicated tables; made where missing.", examples=["SHOP"]
    )
    state_schema: StoredName = Field(
        default="BOREALIS", description="Schema, in the same database, of landing tables, stage, ledger and watermarks."
    )
    user: str | None = Field(default=None, description="User that logs in.", examples=["BOREALIS_LOADER"])
    private_key_file: FilePath | None = Field(
        default=None, description="File of the user's private key, PEM (PKCS#8).", examples=["/run/secrets/rsa_key.p8"]
    )
    private_key: SecretStr | None = Field(default=None, description="The private key itself, PEM; for the environment.")
    private_key_passphrase: SecretStr | None = Field(
        default=None, description="Passphrase of an encrypted private key."
    )
    password: SecretStr | None = Field(
        default=None, description="Password; a key pair is the better login for a service."
    )
    vault: VaultPath | None = Field(
        default=None,
        description="Path in Vault (KV version 2) of `user`, `private_key`, `private_key_passphrase` or `password`.",
        examples=["kv/snowflake"],
    )
    authenticator: str | None = Field(
        default=None, description="Another login of the connector, such as `externalbrowser`."
    )
    role: str | None = Field(default=None, description="Role; without it the user's default.")
    warehouse: str | None = Field(default=None, description="Warehouse (compute); without it the user's default.")
    host: str | None = Field(
        default=None, description="Host in place of the account's own, such as a PrivateLink name."
    )
    port: int | None = Field(
        default=None, ge=1, le=65535, description="Port of `host`; without it the connector's, 443."
    )
    protocol: Literal["https", "http"] = Field(
        default="https", description="`http` only for an embedded warehouse that already runs."
    )
    query_tag: str | None = Field(
        default=None,
        max_length=1000,
        description="Text that the QUERY_TAG of each session carries beside the run's id.",
    )
    transient: bool = Field(
        default=False, description="Make new tables transient: no Fail-safe, at most a day of Time Travel."
    )
    login_timeout_s: Seconds = Field(default=30, gt=0, description="Seconds that a login may take.")
    network_timeout_s: Seconds = Field(
        default=300, gt=0, description="Seconds that one request, with its retries, may take."
    )
    statement_timeout_s: Seconds = Field(
        default=3600, gt=0, description="Seconds that one statement may run, waiting included."
    )
    queue_timeout_s: Seconds = Field(
        default=600, description="Seconds that a statement may queue for the warehouse; 0 for no limit."
    )


class Limits(Section):
    """How hard a run may work. Bytes may be written with a unit: "128MiB"."""

    readers: int | None = Field(
        default=None,
        ge=1,
        le=64,
        description="Connections that read at once; without it chosen: twice the cores, as far as memory and "
        "`source.connections_max` go.",
    )
    loaders: int | None = Field(
        default=None,
        ge=1,
        le=64,
        description="Connections that load at once; without it chosen: 4, and up to 8 where readers waited for "
        "loaders in earlier runs.",
    )
    queue: int = Field(
        default=2, ge=0, le=64, description="Staged-ready files that may wait between readers and loaders."
    )
    file_bytes_max: ByteSize | None = Field(
        default=None,
        ge=MIB,
        le=5 * 1024 * MIB,
        description="Bytes of CSV in one staged file; without it what is 150 MiB compressed, where Snowflake advises "
        "100 to 250 MB, as far as the disk goes.",
    )
    chunk_bytes: ByteSize | None = Field(
        default=None,
        ge=8192,
        description="Bytes of table that one chunk covers; without it chosen: one file, of a size that weighs what "
        "files cost against the wait for the last one.",
    )
    spool_bytes_max: ByteSize | None = Field(
        default=None,
        ge=MIB,
        description="Bytes of disk that files in flight may take, (readers + queue + loaders) x file_bytes_max; "
        "limits that cannot fit are refused. Without it what is free counts.",
    )
    spool_dir: FilePath | None = Field(
        default=None, description="Directory of files in flight; without it a private temporary directory."
    )
    codec: Literal["gzip", "zstd"] | None = Field(
        default=None,
        description="Compression of staged files; without it gzip, and zstd where earlier runs show that the line was "
        "the limit.",
    )
    compression_level: int | None = Field(
        default=None,
        ge=0,
        le=19,
        description="Level of the codec: gzip 0 to 3 (isal's), zstd 1 to 19; without it 1, and more where earlier runs "
        "show that the line was the limit.",
    )
    attempts: int = Field(
        default=4, ge=1, le=20, description="Tries of a step that failed in passing, the first included."
    )
    deadline_s: Seconds | None = Field(
        default=None,
        ge=1,
        description="Seconds after which a run stops and is PARTIAL; the next run goes on. In a function the time that "
        "it has left counts too.",
    )
    generations_max: int = Field(
        default=100,
        ge=1,
        le=10_000,
        description="Functions that may follow one another in one run, or rounds of workers.",
    )
    workers: int = Field(
        default=8, ge=1, le=1000, description="Functions that copy at once where a state machine fans a run out."
    )
    snapshot_s_max: Seconds = Field(
        default=4 * 3600,
        gt=0,
        description="Seconds that one snapshot may be kept: the source cannot clean up rows that are newer. "
        "From half on receipts have a note of it; past it no chunk is begun, and the run goes on in a new snapshot: "
        "the next function's, or that of the next run.",
    )
    snapshot_transactions_max: int = Field(
        default=50_000_000, ge=1, description="The same in transactions at the source."
    )

    @model_validator(mode="after")
    def _fit(self) -> Self:
        if self.codec != "zstd" and (self.compression_level or 0) > 3:
            raise ValueError('compression_level is at most 3 with gzip; lower it, or set codec = "zstd"')
        if not (self.readers and self.loaders and self.file_bytes_max and self.spool_bytes_max):
            return self  # what is chosen fits
        in_flight = (self.readers + self.queue + self.loaders) * self.file_bytes_max
        if in_flight > self.spool_bytes_max:
            raise ValueError(
                f"({self.readers} readers + {self.queue} queue + {self.loaders} loaders) x file_bytes_max "
                f"{_mib(self.file_bytes_max)} is {_mib(in_flight)}, over spool_bytes_max "
                f"{_mib(self.spool_bytes_max)}; lower file_bytes_max or readers, or raise spool_bytes_max"
            )
        return self


class State(Section):
    """Where runs are coordinated; what was loaded is kept beside the data itself."""

    table: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9_.-]{3,255}$",
        description="DynamoDB table, in place of `path`; functions need it.",
        examples=["borealis-state"],
    )
    history_days: float = Field(
        default=90, gt=0, allow_inf_nan=False, description="Days that receipts are kept in `table`."
    )
    lease_s: Seconds = Field(
        default=60,
        ge=2,
        description="Seconds that a lease outlives the last sign of life of its holder.",
    )

    path: FilePath = Field(
        default=Path(".borealis/state.db"),
        validate_default=True,
        description="SQLite file of leases and receipts; made where missing.",
    )


class Config(Section):
    """A whole configuration."""

    source: Source
    target: Target
    defaults: TableDefaults = Field(default_factory=TableDefaults)
    tables: tuple[TableOptions, ...]
    """In effect: what an entry leaves out is already filled from `defaults`."""
    limits: Limits = Field(default_factory=Limits)
    state: State = Field(default_factory=State)
    vault: Vault | None = Field(default=None)
    stage: Stage = Field(default_factory=Stage)
    aws: Aws = Field(default_factory=Aws)

    @field_validator("tables")
    @classmethod
    def _over_defaults(cls, tables: tuple[TableOptions, ...], info: ValidationInfo) -> tuple[TableOptions, ...]:
        if not tables:
            raise ValueError('is empty; add [[tables]] with name = "public.orders" or name = "public.*"')
        defaults = info.data.get("defaults")
        return tuple(table.over(defaults) for table in tables) if defaults else tables

    @field_validator("limits")
    @classmethod
    def _within_connections(cls, limits: Limits, info: ValidationInfo) -> Limits:
        source = info.data.get("source")
        most = source.connections_max if source else None
        if most is not None and limits.readers is not None and limits.readers >= most:
            raise ValueError(
                f"{limits.readers} readers and the snapshot's connection are more than source.connections_max "
                f"{most}; lower readers, or raise connections_max"
            )
        return limits

    def resolve(
        self, relations: Sequence[Relation], names: Sequence[str] = (), group: str | None = None
    ) -> list[Resolved]:
        """The relations to replicate, of those at the source: the names or patterns, those of a group, or all.

        Raises ConfigError with every fault of the choice.
        """
        resolved, faults = select(self.tables, relations, names, group)
        if not resolved and not faults:
            faults = ["tables: no relation of the source is selected; change name, exclude or kinds"]
        if faults:
            raise ConfigError(faults)
        return resolved


def load(path: Path | None, env: Mapping[str, str] = os.environ, overrides: Mapping[str, Any] | None = None) -> Config:
    """The configuration of a file (None: of none), with the environment over it and the overrides over both.

    Relative paths start from the file's directory. Raises ConfigError.
    """
    values = file_values(path) if path else {}
    return _over(values, env, overrides or {}, base=path.resolve().parent if path else Path.cwd())


def load_text(text: str, place: str, env: Mapping[str, str] = os.environ, *, base: Path) -> Config:
    """The same of a file's text; `place` is where it came from, for messages."""
    return _over(text_values(text, place), env, {}, base=base)


def _over(values: Mapping[str, Any], env: Mapping[str, str], overrides: Mapping[str, Any], *, base: Path) -> Config:
    values_of_env, origins, faults = environment_values(env, Config)
    for layer in (values_of_env, overrides):
        values = laid_over(values, layer)
    try:
        config = parse(values, base=base, origins=origins)
    except ConfigError as invalid:
        raise ConfigError([*faults, *invalid.faults]) from None
    faults += [
        f"{name}: cannot be read, {file}; correct the path or its permissions"
        for name, file in (
            ("source.sslrootcert", config.source.sslrootcert),
            ("target.private_key_file", config.target.private_key_file),
            ("vault.ca_file", config.vault.ca_file if config.vault else None),
            ("vault.token_file", config.vault.token_file if config.vault else None),
        )
        if file is not None and not os.access(file, os.R_OK)
    ]
    if faults:
        raise ConfigError(faults)
    return config


def parse(values: Mapping[str, Any], *, base: Path | None = None, origins: Mapping[str, str] | None = None) -> Config:
    """The configuration of plain values; relative paths start from `base`, `origins` says where a setting came from."""
    faults = between_settings(values)
    try:
        config = Config.model_validate({"state": {}, "limits": {}, **values}, context={"base": base})
    except ValidationError as invalid:
        faults = [*of_validation(invalid, Config, values, origins or {}), *faults]
    if faults:
        raise ConfigError(faults)
    return config
