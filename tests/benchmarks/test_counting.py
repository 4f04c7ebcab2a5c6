"""No rate is told of rows that were lost, doubled or changed, in whatever form they were left."""

import duckdb
import pytest
import zstandard
from isal import igzip

from benchmarks import counting
from benchmarks.contest import DisqualifiedError
from benchmarks.data.port import columns

COLUMNS = columns("""
    id integer NOT NULL
    name text
    price numeric(10,2)
    tags text[]
    blob bytea
    doc jsonb
    flag char(3)
    at timestamptz
""")
ROWS = [
    r'1,one,1.50,"{a,b}",\x00ff,"{""k"": [1, 2]}",x  ,2024-01-01 00:00:00+00',
    r'2,,2.00,,\x,"[]",yy ,2024-01-02 01:00:00.5+01',
    r'3,"",-0.01,"{NULL,c}",,,zzz,',
]
OTHERWISE = [
    r'3,"",-0.01,"[null, ""c""]",,,zzz,',
    r'1,one,1.5,"[""a"", ""b""]",00FF,"{""k"":[1,2]}",x,2024-01-01T00:00:00Z',
    r'2,,2,,"","[]",yy,2024-01-02 00:00:00.5+00',
]
"""The same values, as others spell them, in another order."""


@pytest.fixture
def truth(tmp_path):
    file = tmp_path / "truth.csv"
    file.write_text("\n".join(ROWS) + "\n")
    return counting.of_csv(COLUMNS, file)


@pytest.fixture
def left(tmp_path):
    directory = tmp_path / "left"
    directory.mkdir()
    return directory


def written(path, rows):
    opener = igzip.open if path.suffix == ".gz" else zstandard.open
    with opener(path, "wb") as file:
        file.write("".join(f"{row}\n" for row in rows).encode())


def counted(truth, left, **extra):
    return counting.files(COLUMNS, truth, 1000, left, {"extra": extra})


def test_rows_are_counted_over_all_files_whatever_their_order(truth, left):
    written(left / "a.csv.gz", [ROWS[2], ROWS[0]])
    written(left / "b.csv.zst", [ROWS[1]])
    found = counted(truth, left)
    assert (found.rows, found.raw_bytes, found.lost) == (3, 1000, "")
    assert found.compressed_bytes == sum(file.stat().st_size for file in left.iterdir())


def test_equal_values_may_be_spelled_otherwise(truth, left):
    written(left / "a.csv.gz", OTHERWISE)
    assert counted(truth, left).lost == ""


def test_fields_and_a_header_are_as_the_contender_tells(truth, left):
    names = [column.name for column in COLUMNS]
    written(left / "a.csv.gz", [",".join([*names, "end"]), *(f"{row},." for row in ROWS)])
    assert counted(truth, left, header=True, columns=[*names, "end"]).lost == ""


@pytest.mark.parametrize("rows", [ROWS[:2], [*ROWS, ROWS[0]]], ids=["one lost", "one twice"])
def test_rows_that_are_missing_or_too_many_have_no_rate(truth, left, rows):
    written(left / "a.csv.gz", rows)
    with pytest.raises(DisqualifiedError, match=f"left {len(rows)} rows of 3"):
        counted(truth, left)


@pytest.mark.parametrize(
    ("old", "new", "lost"),
    [
        ("1.50", "1.51", "price"),
        ("one", "One", "name"),
        ('3,""', "3,", "name"),  # an empty text is not NULL
        ("00ff", "00fe", "blob"),
        ("2024-01-01 00:00:00+00", "2024-01-01 00:00:01+00", "at"),
        ("[1, 2]", "[2, 1]", "doc"),
        ("1.50", "a lot", "price"),
    ],
)
def test_a_value_that_changed_is_told_by_its_column(truth, left, old, new, lost):
    written(left / "a.csv.gz", [row.replace(old, new) for row in ROWS])
    assert counted(truth, left).lost == lost


def test_values_that_changed_places_among_rows_are_seen(truth, left):
    written(left / "a.csv.gz", [ROWS[0].replace("one", ""), ROWS[1].replace("2,,", "2,one,"), ROWS[2]])
    assert counted(truth, left).lost == "which values make up a row"


def test_parquet_is_compared_by_name_as_the_tables_types(truth, left):
    duckdb.sql(r"""
        SELECT * FROM (VALUES
            (1, 'x', 'one', 1.5::DOUBLE, ['a', 'b'], '\x00\xFF'::BLOB, '{"k":[1,2]}', TIMESTAMP '2024-01-01'),
            (2, 'yy', NULL, 2, NULL, ''::BLOB, '[]', TIMESTAMP '2024-01-02 00:00:00.5'),
            (3, 'zzz', '', -0.01, [NULL, 'c'], NULL, NULL, NULL)) AS t (id, flag, name, price, tags, blob, doc, "at")
    """).write_parquet(str(left / "a.parquet"), compression="zstd")
    assert counted(truth, left).lost == ""


def test_a_column_that_is_not_there_is_lost(truth, left):
    duckdb.sql("SELECT range::INTEGER + 1 AS id FROM range(3)").write_parquet(str(left / "a.parquet"))
    assert counted(truth, left).lost == "name, price, tags, blob, doc, flag, at"


def test_files_that_cannot_be_read_have_no_rate(truth, left):
    (left / "a.csv.gz").write_bytes(b"nothing of that sort")
    with pytest.raises(DisqualifiedError, match="cannot be read"):
        counted(truth, left)


def test_no_files_have_no_rate(truth, left):
    with pytest.raises(DisqualifiedError, match="left neither compressed CSV nor Parquet"):
        counted(truth, left)
