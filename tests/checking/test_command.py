"""`borealis check --cloud` prints each finding and ends with 1 where one of them stops runs."""

from tests.integration.conftest import Engine


async def test_faults_decide_the_exit_code_and_advice_does_not(
    database, warehouse, target_database, tmp_path, borealis
):
    engine = Engine(database, warehouse, target_database, tmp_path)
    await engine.source("CREATE TABLE t (id int)")
    endpoint = warehouse.endpoint
    warehouse.query(f"CREATE DATABASE {target_database}")
    values = engine.values({"name": "public.t"})
    values["target"] = {
        "account": "local", "host": endpoint.host, "port": endpoint.port, "protocol": "http", "user": "u",
        "password": "p", "warehouse": "LOAD", "database": target_database, "schema": "SHOP",
    }  # fmt: skip
    well = borealis(values, "check", "--cloud")
    assert (well.code, well.output["ok"]) == (0, True), well.output
    assert {"network: source 127.0.0.1:" + str(database.rpartition(":")[2].partition("/")[0]), "target: rights"} <= {
        each["name"] for each in well.output["findings"]
    }
    values["source"]["dsn"] = "postgresql://reader@127.0.0.1:1/shop"
    del values["target"]["warehouse"]
    ill = borealis(values, "check", "--cloud")
    assert (ill.code, ill.output["ok"]) == (1, False)
    faults = {each["name"]: each for each in ill.output["findings"] if each["level"] == "fault"}
    assert {"network: source 127.0.0.1:1", "source: connection", "target: warehouse"} <= faults.keys()
    assert all(each["remedy"] for each in faults.values())
