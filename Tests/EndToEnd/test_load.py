"""64 concurrent clients: no error, batches form, every answer is that of a single request."""

import json
import subprocess
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from conftest import REQUEST

SECONDS = 10


def test_64_clients(own_server):
    before = own_server.metric("nv_inference_exec_count", model="digits")
    result = subprocess.run(
        ["h2load", "-c", "64", "-m", "1", "-t", "1", "--duration", str(SECONDS), "--warm-up-time", "1",
         "-d", str(REQUEST), own_server.url("/v2/models/digits/infer")],
        capture_output=True, text=True, timeout=SECONDS + 60)
    assert result.returncode == 0, result.stderr
    print(result.stdout)
    summary = next(line for line in result.stdout.splitlines() if line.startswith("requests:"))
    assert " 0 failed" in summary and " 0 errored" in summary and " 0 timeout" in summary, summary
    codes = next(line for line in result.stdout.splitlines() if line.startswith("status codes:"))
    assert "0 4xx, 0 5xx" in codes, codes
    rows = own_server.metric("nv_inference_count", model="digits")
    batches = own_server.metric("nv_inference_exec_count", model="digits") - before
    assert rows / batches > 4, f"{rows} rows in {batches} batches"
    # Requests that were in flight when h2load hung up at the end are counted as cancelled.
    for reason in ("REJECTED", "BACKEND", "OTHER"):
        assert own_server.metric("nv_inference_request_failure", model="digits", reason=reason) == 0


def test_answers_are_those_of_single_requests(server, test_set):
    single = {row: server.infer("digits", test_set["pixels"][row : row + 1]) for row in range(16)}

    def ask(number):
        row = number % 16
        return row, server.infer("digits", test_set["pixels"][row : row + 1])

    with ThreadPoolExecutor(64) as pool:
        for row, logits in pool.map(ask, range(512)):
            np.testing.assert_array_equal(logits, single[row])


@pytest.mark.parametrize("rows", [0, 1, 7, 200])
def test_many_rows_in_one_request(server, test_set, rows):
    logits = server.infer("digits", test_set["pixels"][:rows])
    assert logits.shape == (rows, 10)
