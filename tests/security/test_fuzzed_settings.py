"""Whatever a configuration holds is a configuration or is refused in words that repeat no secret."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import tomlkit
from hypothesis import example, given
from hypothesis import strategies as st

from engine import config as settings
from engine.config import Config
from engine.config_faults import section_of
from engine.config_faults import settings as settings_of
from engine.connect import addresses, names_of
from engine.errors import BorealisError, ConfigError
from engine.logins import source_logins, target_logins
from engine.source.connection import connected
from tests.security.odd import ODD_TEXT, fuzzed

SECRET = "hunter2"
SECRETS = ("password", "private_key", "private_key_passphrase", "token", "dsn", "primary_dsn")
SECTIONS = {name: section_of(field) for name, field in settings_of(Config).items()}
GOOD: dict[str, Any] = {
    "source": {"dsn": f"postgresql://reader:{SECRET}@127.0.0.1:1/shop"},
    "target": {"local": "warehouse", "database": "D", "schema": "S"},
    "tables": [{"name": "public.*"}],
}

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | ODD_TEXT | st.datetimes() | st.just(10**400)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ODD_TEXT, inner, max_size=3), max_leaves=6
)
HINTS = st.sampled_from(
    ["incremental", "updated_at", "8MiB", "1e999GiB", "~nobody-here/x", "\x00", "9" * 5000, "UTC", "../../etc/passwd",
     "America", "s3://bucket/x", "http://127.0.0.1:1", "https://[", "NUMBER(38,9)", "public.*",
     '"a"."b"', "verify-full",
     "iam", "kv/../sys", "kv/a?b", "\ud800", ".", "localhost", f"postgresql://u:{SECRET}/x@h/d",
     f"postgresql://u:{SECRET}@[::1/d", f"postgresql://u:1/{SECRET}@h/d", "postgresql://h:99999/d", "postgresql://"]
)  # fmt: skip


@st.composite
def configurations(draw: st.DrawFn) -> dict[str, Any]:
    """A good one with some settings replaced, most of them by names that exist."""
    values: dict[str, Any] = json.loads(json.dumps(GOOD))
    for _ in range(draw(st.integers(1, 4))):
        name = draw(st.sampled_from(sorted(SECTIONS)))
        section = SECTIONS[name]
        setting = draw(st.sampled_from(sorted(settings_of(section))) if section else ODD_TEXT)
        value = draw(VALUES | HINTS)
        if draw(st.integers(0, 9)) == 0:
            values[name] = value
        elif name == "tables":
            tables = values.setdefault(name, [{}])
            if isinstance(tables, list) and tables and isinstance(tables[0], dict):
                tables[0][setting] = value
        else:
            inside = values.setdefault(name, {})
            if isinstance(inside, dict):
                inside[setting] = value
    return values


def parsed(make: Any) -> Config | None:
    try:
        config: Config = make()
    except ConfigError as refused:
        told(refused)
        return None
    assert SECRET not in repr(config) + str(config)
    return config


def told(refused: ConfigError) -> None:
    assert refused.faults
    assert all(refused.faults)
    assert SECRET not in str(refused)


def test_plain_values_are_a_configuration_or_are_refused_in_words(proof, tmp_path):
    @fuzzed(proof, 200)
    @given(configurations())
    @example({**GOOD, "source": {"dsn": f"postgresql://u:1/{SECRET}@h/d"}})
    @example({**GOOD, "source": {**GOOD["source"], "sslrootcert": "~nobody-here/x"}})
    @example({**GOOD, "source": {**GOOD["source"], "sslmode": SECRET}})
    @example({**GOOD, "limits": {"spool_dir": "a\x00b"}})
    @example({**GOOD, "limits": {"chunk_bytes": 10**400}})
    def tried(values: dict[str, Any]) -> None:
        config = parsed(lambda: settings.parse(values, base=tmp_path))
        if config is not None:
            names_of(config)
            for side in (lambda: addresses(config), lambda: target_logins(config)):
                try:
                    side()
                except (BorealisError, OSError) as refused:
                    assert SECRET not in str(refused)  # noqa: PT017 - either is allowed

    tried()


def test_a_text_is_a_configuration_or_is_refused_in_words(proof, tmp_path):
    good = tomlkit.dumps(GOOD)
    cuts = st.tuples(st.integers(0, len(good)), st.integers(0, len(good)), ODD_TEXT)
    damaged = cuts.map(lambda cut: good[: min(cut[:2])] + cut[2] + good[max(cut[:2]) :])

    @fuzzed(proof, 200)
    @given(damaged | ODD_TEXT | st.text(max_size=60))
    @example("a = " + "[" * 50_000)
    @example("a = " + "9" * 5000)
    @example("a = 1979-13-99")
    @example('"\ud800" = 1')
    def tried(text: str) -> None:
        parsed(lambda: settings.load_text(text, "a file", {}, base=tmp_path))

    tried()


VARIABLES = [f"BOREALIS_{section}__{name}".upper() for section, model in SECTIONS.items() if model
             for name in settings_of(model)] + [f"BOREALIS_{name}".upper() for name in SECTIONS]  # fmt: skip


def test_the_environment_is_refused_in_words_too(proof, tmp_path):
    texts = (ODD_TEXT | HINTS | VALUES.map(lambda value: json.dumps(value, default=str))).filter(
        lambda t: "\0" not in t
    )

    @fuzzed(proof, 150)
    @given(st.dictionaries(st.sampled_from(VARIABLES), texts, max_size=4))
    @example({"BOREALIS_TABLES": "[" * 100_000})
    @example({"BOREALIS_TABLES": "9" * 5000})
    @example({"BOREALIS_SOURCE": f'"{SECRET}"', "BOREALIS_AWS": "[]"})
    def tried(env: Mapping[str, str]) -> None:
        parsed(lambda: settings.load_text(tomlkit.dumps(GOOD), "a file", env, base=tmp_path))

    tried()


def test_nothing_of_the_environment_is_put_into_a_setting(tmp_path, monkeypatch):
    """Neither $NAME nor a template in a setting is filled in: whoever writes one does not get to read the other."""
    monkeypatch.setenv("STOLEN", SECRET)
    texts = ["$STOLEN", "${STOLEN}", "%(STOLEN)s", "{{ STOLEN }}", "{STOLEN}", "%STOLEN%"]
    for text in texts:
        config = settings.parse({**GOOD, "target": {**GOOD["target"], "query_tag": text}}, base=tmp_path)
        assert config.target.query_tag == text


URLS = st.tuples(
    st.sampled_from(["postgresql", "postgres", "postgresql ", "http", ""]), st.sampled_from(["", "u@", f"u:{SECRET}@"]),
    ODD_TEXT | st.sampled_from(["127.0.0.1", "[::1]", "a..b", "xn--", "h,i"]), st.sampled_from(["", ":1", ":0", ":x"]),
    ODD_TEXT, st.sampled_from(["", "?sslmode=x", "?port=x", "?host=/", "?target_session_attrs=x", "?password=" + SECRET,
                               "?user=a%00b", "?connect_timeout=x", "?search_path=evil"]),
).map(lambda p: f"{p[0]}://{p[1]}{p[2]}{p[3]}/{p[4]}{p[5]}")  # fmt: skip


async def test_an_address_is_refused_or_reached_for_in_words_that_hold_no_password(proof):
    """The driver parses it too, as it connects: to nobody here, for port 1 is closed."""
    addressed = []

    @fuzzed(proof, 150)
    @given(URLS)
    @example(f"postgresql://u:1/{SECRET}@127.0.0.1/d")
    def collected(dsn: str) -> None:
        config = parsed(lambda: settings.parse({**GOOD, "source": {"dsn": dsn, "connect_timeout_s": 1}}))
        if config is not None:
            address = addresses(config)[0]
            assert SECRET not in repr(address) + address.place
            addressed.append(address)

    collected()
    for address in addressed[:: max(1, len(addressed) // 40)]:
        if address.place.partition("/")[0] not in ("127.0.0.1:1", "localhost:1", "::1:1"):
            continue
        with pytest.raises(BorealisError) as caught:
            async with connected(address):
                pass
        assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    "path", ["kv/../sys/raw", "kv/a?list=true", "kv/a#b", "kv/%2e%2e/sys", "..", "kv//a", "kv/a\nb", "./kv", "kv/a\\b"]
)
@pytest.mark.parametrize("section", ["source", "target"])
def test_a_path_in_vault_cannot_lead_elsewhere(path, section):
    """It becomes part of a URL, where each of these would make another request of it."""
    values = {**GOOD, "vault": {"address": "https://v", "auth": "token", "token": "x"}}
    if section == "target":
        values["target"] = {"account": "a", "user": "u", "database": "D", "schema": "S"}
    values[section] = {**values[section], "vault": path}
    with pytest.raises(ConfigError, match=rf"{section}\.vault: is not a path in Vault"):
        settings.parse(values)


@pytest.mark.parametrize("content", [b"\x30\x82\xff\xfe", b"", b"-----BEGIN PRIVATE KEY-----\nhunter2\n", b"\xff" * 99])
def test_a_key_that_is_none_is_refused_without_its_bytes(tmp_path, content):
    (tmp_path / "key").write_bytes(content)
    target = {"account": "a", "user": "u", "private_key_file": "key", "database": "D", "schema": "S"}
    config = settings.parse({**GOOD, "target": target}, base=tmp_path)
    with pytest.raises(ConfigError, match=r"target\.private_key_file: is not a PEM key") as caught:
        target_logins(config)
    assert caught.value.__cause__ is None, "the cause of a wrong encoding holds the whole file"
    assert caught.value.__suppress_context__


def test_a_secret_is_found_in_no_repr(tmp_path):
    """Of settings, and of what is made of them to log in with."""
    target = {"account": "a", "user": "u", "password": SECRET, "private_key_passphrase": SECRET, "database": "D",
              "schema": "S"}  # fmt: skip
    vault = {"address": "https://v", "auth": "token", "token": SECRET}
    source = {**GOOD["source"], "password": SECRET, "primary_dsn": GOOD["source"]["dsn"]}
    config = settings.parse({**GOOD, "source": source, "target": target, "vault": vault}, base=tmp_path)
    shown = [config, config.source, config.target, config.vault, config.model_dump(), *addresses(config),
             source_logins(config, GOOD["source"]["dsn"]), target_logins(config)]  # fmt: skip
    assert all(SECRET not in f"{each!r} {each!s}" for each in shown)
    assert SECRET not in config.model_dump_json()


def test_nothing_of_ours_is_pickled():
    """A pickle holds the secrets of what it holds; nobody writes or reads one."""
    root = Path(__file__).parents[2]
    for file in (*root.glob("engine/**/*.py"), *root.glob("handlers/**/*.py")):
        text = file.read_text()
        assert "import pickle" not in text, file
        assert "multiprocessing" not in text, file
        assert "ProcessPool" not in text, file
