"""The head-end answers the GET of the architecture's text, after its PUT, exactly as printed there."""

import emp_process
from document_examples import examples


def test_the_printed_exchange_is_the_real_one(tmp_path):
    put, get, answer = examples()
    with emp_process.inside(tmp_path / "emp.db") as emp:
        stored = emp.ask("PUT", put.first_line.split()[1], put.body, **without_host(put.headers))
        assert stored.status == 201
        assert stored.headers["x-CID"] == put.headers["x-CID"]
        found = emp.ask("GET", get.first_line.split()[1])
        assert f"HTTP/1.1 {found.status} OK" == answer.first_line
        assert found.body == answer.body
        assert {name: found.headers[name] for name in answer.headers} == answer.headers


def without_host(headers):
    return {name.replace("-", "_"): value for name, value in headers.items() if name not in ("Host", "Content-Length")}
