"""The configuration: what is accepted, and how everything else is refused."""

import json
from pathlib import Path

import pytest

from engine.config import load, parse
from engine.config_values import MINIMAL
from engine.errors import ConfigError

SECRET = "hunter2"
DSN = f"postgresql://reader:{SECRET}@127.0.0.1:5432/shop"


def values(*tables, **sections):
    target = {"local": "./warehouse", "database": "ANALYTICS", "schema": "SHOP"}
    return {"source": {"dsn": DSN}, "target": target, "tables": list(tables or [{"name": "public.*"}]), **sections}


def faults(configuration):
    with pytest.raises(ConfigError) as refused:
        parse(configuration)
    return refused.value.faults


# What a file says


def test_the_minimal_example_is_a_configuration(tmp_path):
    file = tmp_path / "borealis.toml"
    file.write_text(MINIMAL)
    config = load(file, env={})
    assert config.target.database == "ANALYTICS"
    assert config.target.local == tmp_path / "warehouse"
    assert config.state.path == tmp_path / ".borealis" / "state.db"


def test_a_missing_file_is_named_and_an_example_shown(tmp_path):
    with pytest.raises(ConfigError) as refused:
        load(tmp_path / "absent.toml", env={})
    assert f"{tmp_path}/absent.toml: there is no such file" in str(refused.value)
    assert MINIMAL in str(refused.value)


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b'[source]\ndsn = "x"\n[target\n', "is not TOML, Expected ']' at the end of a table declaration (at line 3"),
        (b"[source]\ndsn = '\xff'\n", "is not UTF-8 at byte 16; save it as UTF-8"),
    ],
)
def test_a_file_that_cannot_be_parsed_says_where(tmp_path, content, fault):
    file = tmp_path / "borealis.toml"
    file.write_bytes(content)
    with pytest.raises(ConfigError) as refused:
        load(file, env={})
    assert f"{file}: {fault}" in str(refused.value)


def test_a_directory_is_no_file(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read, Is a directory"):
        load(tmp_path, env={})


def test_files_that_a_setting_names_must_be_there(tmp_path):
    file = tmp_path / "borealis.toml"
    file.write_text(
        MINIMAL.replace('local = "./warehouse"', 'account = "A"\nuser = "U"\nprivate_key_file = "key.p8"').replace(
            "[target]", 'sslrootcert = "ca.pem"\n[target]'
        )
    )
    with pytest.raises(ConfigError) as refused:
        load(file, env={})
    assert [fault.partition(",")[0] for fault in refused.value.faults] == [
        "source.sslrootcert: cannot be read",
        "target.private_key_file: cannot be read",
    ]


# What the environment says


def test_the_environment_wins_over_the_file_and_overrides_over_both(tmp_path):
    file = tmp_path / "borealis.toml"
    file.write_text(MINIMAL + "[limits]\nreaders = 3\nloaders = 3\nqueue = 3\n")
    env = {"BOREALIS_SOURCE__DSN": DSN, "BOREALIS_LIMITS__READERS": "5", "BOREALIS_LIMITS__LOADERS": "5"}
    config = load(file, env, {"limits": {"loaders": 6}})
    assert config.source.dsn.get_secret_value() == DSN
    assert (config.limits.readers, config.limits.loaders, config.limits.queue) == (5, 6, 3)


def test_lists_and_sections_of_the_environment_are_json():
    env = {
        "BOREALIS_SOURCE__DSN": DSN,
        "BOREALIS_TARGET__LOCAL": "w",
        "BOREALIS_TARGET__DATABASE": "d",
        "BOREALIS_TARGET__SCHEMA": "s",
        "BOREALIS_TABLES": json.dumps([{"name": "public.a", "mode": "incremental", "cursor": "at"}]),
        "BOREALIS_DEFAULTS__KEY": '["id"]',
        "BOREALIS_DEFAULTS__COLUMNS": '{"price": {"on_loss": "text"}}',
        "BOREALIS_TARGET__ROLE": "",
    }
    config = load(None, env)
    assert config.tables[0].key == ("id",)
    assert config.tables[0].columns["price"].on_loss == "text"
    assert config.target.schema_name == "S"
    assert config.target.role is None


def test_variables_that_are_almost_settings_are_refused_and_others_left_alone(tmp_path):
    file = tmp_path / "borealis.toml"
    file.write_text(MINIMAL)
    env = {
        "BOREALIS_SOURCE_DSN": DSN,
        "BOREALIS_SORCE__DSN": DSN,
        "BOREALIS_LIMITS__REEDERS": "1",
        "BOREALIS_DEFAULTS__KEY": "id",
        "BOREALIS_LIMITS__QUEUE": "many",
        "BOREALIS_DEBUG": "1",
        "BOREALIS_TEST_SNOWFLAKE_ACCOUNT": "x",
    }
    with pytest.raises(ConfigError) as refused:
        load(file, env)
    assert [fault.split(";")[0] for fault in refused.value.faults] == [
        'BOREALIS_DEFAULTS__KEY: is not JSON, which lists and sections are in the environment, as ["id"]',
        "BOREALIS_LIMITS__REEDERS: unknown setting",
        "BOREALIS_SORCE__DSN: unknown setting",
        "BOREALIS_SOURCE_DSN: two underscores stand between section and setting",
        "limits.queue (from BOREALIS_LIMITS__QUEUE): must be a whole number",
    ]
    assert "did you mean BOREALIS_SOURCE__DSN?" in str(refused.value)
    assert "did you mean readers?" in str(refused.value)


# What is refused


def test_all_faults_are_reported_at_once_each_with_its_path_and_remedy():
    found = faults(
        {
            "source": {"dns": DSN},
            "target": {"local": "w", "account": "a", "schema": "borealis", "mode": "full"},
            "tables": [
                {"name": "public.*", "mode": "incrmental", "target_name": "x"},
                {"name": "orders"},
                {"name": "public.a", "mode": "incremental", "key": "id", "publish": "swap"},
            ],
            "limits": {"readers": 0, "file_bytes_max": "lots"},
            "tabels": [],
        }
    )
    for path, remedy in [
        ("source.dsn: is required", 'set dsn = "postgresql://'),
        ("source.dns: unknown setting", "did you mean dsn?"),
        ("target.database: is required", 'set database = "ANALYTICS"'),
        ("target.mode: unknown setting", "it belongs in [defaults] or [tables]"),
        ('tables[0].mode: "incrmental" is not one of full, incremental', "did you mean incremental?"),
        ("tables[0].target_name: is for one table", "give that table an entry of its own"),
        ("tables[1].name: is not a table name", "write schema.table"),
        ("tables[2].key: must be a list", '["id"]'),
        ("tables[2].cursor: is required in incremental mode", 'or mode = "full"'),
        ("tables[2].publish: swap is for full mode", 'publish = "merge"'),
        ("limits.readers: must be greater than or equal to 1", "Connections that read at once"),
        ("limits.file_bytes_max: must be a number of bytes", '"128MiB"'),
        ("tabels: unknown setting", "did you mean tables?"),
        ("target.local, target.account: exclude each other", "keep local"),
        ("target.state_schema: is the schema of the tables too", "a schema of its own"),
    ]:
        assert [fault for fault in found if fault.startswith(path) and remedy in fault], path
    assert len(found) == 15


@pytest.mark.parametrize(
    ("target", "fault"),
    [
        ({}, "target.local, target.account: one of them is required"),
        ({"account": "A"}, "target.user: is required with account"),
        ({"account": "A", "user": "U"}, "target.private_key_file: an account needs a login"),
        (
            {"account": "A", "user": "U", "private_key": "k", "private_key_file": "f"},
            "target.private_key, target.private_key_file: exclude each other",
        ),
        ({"account": "A", "vault": "kv/x"}, "target.vault: needs to know where Vault is; add [vault]"),
        ({"local": "w", "vault": "kv/x"}, "target.local, target.vault: exclude each other"),
        ({"local": "w", "schema": "x" * 300}, "target.schema: must have at most 240 characters"),
        ({"local": "w", "database": 'a"b'}, "target.database: is not a name"),
    ],
)
def test_a_target_is_local_or_an_account_that_can_be_logged_in_to(target, fault):
    found = faults({**values(), "target": {"database": "D", "schema": "S", **target}})
    assert any(each.startswith(fault) for each in found), found


@pytest.mark.parametrize(
    ("table", "fault"),
    [
        ({"cursor": "updated_at"}, "cursor: has no effect in full mode"),
        ({"publish": "merge"}, "publish: merge is for incremental mode"),
        ({"exclude": ["public.b"]}, "exclude: is for a pattern"),
        (
            {"mode": "incremental", "cursor": "c", "publish": "append", "null_cursor": "load"},
            "null_cursor: load would append such rows again",
        ),
        (
            {"mode": "incremental", "cursor": "c", "publish": "append", "deletes": "reconcile"},
            "deletes: rows that were appended are never deleted",
        ),
        ({"mode": "incremental", "cursor": "c", "deletes": "soft"}, "soft_column: is required"),
        ({"columns": {"price": {"type": "MONEY"}}}, "columns.price.type: is not a type of the target"),
        ({"columns": {"price": {"on_los": "text"}}}, "columns.price.on_los: unknown setting; did you mean on_loss?"),
        ({"keep_previous_h": float("nan")}, "keep_previous_h: must be a finite number"),
        ({"keep_previous_h": True}, "keep_previous_h: must be a number"),
        (
            {"mode": "incremental", "cursor": "c", "cursor_lag_s": 1e30},
            "cursor_lag_s: must be less than or equal to 2147483",
        ),
        ({"mode": "incremental", "cursor": "c", "cursor_timezone": "Mars/Base"}, "cursor_timezone: is not a time zone"),
    ],
)
def test_settings_of_a_table_that_do_not_go_together_are_refused(table, fault):
    found = faults(values({"name": "public.a", **table}))
    assert len(found) == 1
    assert found[0].startswith(f"tables[0].{fault}")


def test_one_name_has_one_entry():
    assert faults(values({"name": "public.a"}, {"name": "public.a"})) == [
        "tables[1].name: public.a has an entry already, tables[0]; keep one"
    ]


@pytest.mark.parametrize("tables", [[], {}, "public.*", [1], None])
def test_tables_of_a_wrong_shape_are_refused(tables):
    assert any(fault.startswith("tables") for fault in faults({**values(), "tables": tables}))


def test_f24_limits_that_cannot_fit_are_refused_with_the_sum():
    limits = {"readers": 4, "loaders": 2, "queue": 2, "file_bytes_max": "128MiB", "spool_bytes_max": "512MiB"}
    assert faults(values(limits=limits)) == [
        (
            "limits: (4 readers + 2 queue + 2 loaders) x file_bytes_max 128 MiB is 1,024 MiB, over spool_bytes_max "
            "512 MiB; lower file_bytes_max or readers, or raise spool_bytes_max"
        )
    ]
    assert parse(values(limits={**limits, "file_bytes_max": "64MiB"})).limits.file_bytes_max == 64 * 1024**2


def test_readers_fit_in_the_connections_that_the_source_allows():
    source = {"dsn": DSN, "connections_max": 3}
    assert faults({**values(limits={"readers": 3}), "source": source}) == [
        (
            "limits: 3 readers and the snapshot's connection are more than source.connections_max 3; "
            "lower readers, or raise connections_max"
        )
    ]


def test_a_level_must_suit_the_codec():
    assert "at most 3 with gzip" in faults(values(limits={"compression_level": 9}))[0]
    assert parse(values(limits={"compression_level": 9, "codec": "zstd"})).limits.compression_level == 9


# Secrets


@pytest.mark.parametrize("dsn", [f"mysql://u:{SECRET}@h/d", f"postgresql://u:{SECRET}@h:port/d", f"{SECRET}", [SECRET]])
def test_a_secret_is_not_in_the_fault_that_refuses_it(dsn):
    found = faults({**values(), "source": {"dsn": dsn, "password": [SECRET], SECRET[:3]: SECRET}})
    assert SECRET not in repr(found)
    assert any(fault.startswith("source.dsn: ") for fault in found)


def test_secrets_are_in_no_representation_of_a_configuration():
    target = {"account": "A", "user": "U", "database": "D", "schema": "S", "password": SECRET}
    secrets = {"private_key": SECRET, "private_key_passphrase": SECRET}
    config = parse(
        {**values(), "target": target | secrets, "source": {"dsn": DSN, "primary_dsn": DSN, "password": SECRET}}
    )
    assert SECRET not in repr(config) + str(config) + config.model_dump_json()


def test_a_configuration_cannot_be_changed():
    config = parse(values())
    with pytest.raises(ValueError, match="frozen"):
        config.limits.readers = 1


# Options of a table


def test_a_table_takes_from_the_defaults_what_it_does_not_say():
    config = parse(
        values(
            {"name": "public.a", "mode": "incremental"},
            {"name": "public.b", "on_loss": "error"},
            {"name": "public.*"},
            defaults={"cursor": "updated_at", "on_loss": "text", "publish": "append"},
        )
    )
    a, b, rest = config.tables
    assert (a.cursor, a.publish, a.null_cursor, a.on_loss) == ("updated_at", "append", "fail", "text")
    assert (b.publish, b.on_loss, rest.on_loss) == ("auto", "error", "text")


def test_incremental_publishes_by_merge_unless_told():
    assert parse(values({"name": "public.a", "mode": "incremental", "cursor": "c"})).tables[0].publish == "merge"


def test_a_mark_of_reconcile_is_a_column_of_the_target_and_one_of_soft_of_the_source():
    table = {"name": "public.a", "mode": "incremental", "cursor": "c", "soft_column": "gone_at"}
    assert parse(values({**table, "deletes": "reconcile"})).tables[0].soft_column == "GONE_AT"
    assert parse(values({**table, "deletes": "soft"})).tables[0].soft_column == "gone_at"


@pytest.mark.parametrize(
    ("text", "stored"), [("analytics", "ANALYTICS"), ('"analytics"', "analytics"), ('"a""b"', 'a"b'), ("x y", "X Y")]
)
def test_names_of_the_target_are_folded_as_in_its_own_sql(text, stored):
    target = {"local": "w", "database": text, "schema": "S"}
    assert parse({**values(), "target": target}).target.database == stored


@pytest.mark.parametrize(("text", "type_"), [("number(38, 9)", "NUMBER(38,9)"), (" varchar ", "VARCHAR")])
def test_a_type_is_normalised(text, type_):
    config = parse(values({"name": "public.a", "columns": {"c": {"type": text}}}))
    assert config.tables[0].columns["c"].type == type_


def test_relative_paths_start_from_the_base():
    config = parse(values(limits={"spool_dir": "spool"}), base=Path("/srv/borealis"))
    assert config.limits.spool_dir == Path("/srv/borealis/spool")


def test_a_login_in_vault_needs_no_other():
    target = {"account": "A", "database": "D", "schema": "S", "vault": "kv/snowflake"}
    vault = {"address": "https://vault.example.com:8200", "role": "borealis"}
    parse({**values(), "target": target, "vault": vault})
