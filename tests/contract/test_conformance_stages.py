"""The stage: PUT, LIST and REMOVE."""

# ruff: noqa: E501  (a case is a line, so that cases can be compared)

from __future__ import annotations

from .conftest import House


def test_a_path_is_a_prefix(house: House) -> None:
    """LIST and REMOVE take every file whose name begins with the path: `run1/` ends with a slash for that."""
    for folder in ("run1/", "run10/", "run1/sub/"):
        house.put("1\n", folder=folder)
    listed = house.run(f"LIST '{house.stage}/run1/'")
    assert [row[0].split("/", 1)[1] for row in listed] == ["run1/a.csv.gz", "run1/sub/a.csv.gz"]
    assert all(int(row[1]) > 0 for row in listed)
    house.run(f"REMOVE '{house.stage}/run1/'")
    assert [row[0].split("/", 1)[1] for row in house.run(f"LIST {house.stage}")] == ["run10/a.csv.gz"]
    house.run(f"REMOVE {house.stage}/run10/")
    assert house.run(f"LIST {house.stage}") == []


def test_put_from_a_file(house: House) -> None:
    """PUT uploads a file of the client, and reports its name, sizes and status."""
    path = house.folder / "data é.csv.gz"
    path.write_bytes(b"not really gzip" * 1000)
    cursor = house.connection.cursor()
    cursor.execute(
        f"PUT 'file://{path}' '{house.stage}/p q/' PARALLEL = 4 AUTO_COMPRESS = FALSE SOURCE_COMPRESSION = GZIP OVERWRITE = TRUE"
    )
    row = cursor.fetchall()[0]
    assert row[6] == "UPLOADED"
    assert house.run(f"LIST '{house.stage}/p q/'")[0][0].endswith("p q/data é.csv.gz")
    assert int(house.run(f"LIST '{house.stage}/p q/'")[0][1]) == 15_000


def test_put_compresses_when_asked(house: House) -> None:
    """AUTO_COMPRESS adds .gz to the name, and COPY reads the file under it."""
    path = house.folder / "plain.csv"
    path.write_text("1,x\n")
    house.run(f"PUT 'file://{path}' '{house.stage}/run/' AUTO_COMPRESS = TRUE OVERWRITE = TRUE")
    assert house.run(f"LIST {house.stage}")[0][0].endswith("run/plain.csv.gz")
    house.copy(house.table('"A" NUMBER(10,0), "B" VARCHAR'), "plain.csv.gz")
