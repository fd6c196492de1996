"""Uploads cut off, processes killed: nothing half-published, nothing lost, the server unharmed."""

import os
import signal
import socket
import time
from pathlib import Path

import pytest
from conftest import DIGITS


def partial_put(server, name):
    """Opens an upload of the digits model and sends half of it."""
    body = DIGITS.read_bytes()
    connection = socket.create_connection(("127.0.0.1", server.port))
    head = f"PUT /v2/repository/models/{name} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
    connection.sendall(head.encode() + body[: len(body) // 2])
    return connection


def published(server, name):
    return [path for path in server.data.glob(f"**/{name}/*/model.onnx")]


def test_upload_cut_off(own_server):
    connection = partial_put(own_server, "half")
    time.sleep(0.3)
    connection.close()
    time.sleep(0.5)
    assert own_server.get("/v2/models/half").status == 404
    assert not published(own_server, "half")
    assert own_server.put("/v2/repository/models/half", DIGITS).status == 201


def test_killed_during_upload(own_server):
    connection = partial_put(own_server, "half")
    time.sleep(0.3)
    own_server.stop(signal.SIGKILL)
    connection.close()
    own_server.start()
    assert own_server.get("/v2/models/half").status == 404
    assert not published(own_server, "half")
    leftovers = [p for p in own_server.data.glob("**/.incoming/**/*") if p.is_file()]
    assert not leftovers
    assert own_server.put("/v2/repository/models/half", DIGITS).status == 201


def children(pid):
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()] + [
        int(child)
        for task in Path(f"/proc/{pid}/task").iterdir() if task.name != str(pid)
        for child in (task / "children").read_text().split()
    ]


def start_job(server):
    """A running job whose child has been seen; the CNN's static quantization takes long enough to catch."""
    server.put("/v2/repository/models/work", DIGITS)
    recipe = {"steps": [{"quantize": {"weights": "int8", "activations": "static"}}],
              "calibration": {"dataset": "digits-train"},
              "evaluation": {"dataset": "digits-test", "metric": "accuracy"}}
    reply = server.post("/v2/models/work/compress", recipe)
    assert reply.status == 202, reply.body
    job = reply.headers["location"].rsplit("/", 1)[1]
    end = time.monotonic() + 20
    while time.monotonic() < end:
        found = children(server.process.pid)
        if found:
            os.kill(found[0], signal.SIGSTOP)
            return job, found[0]
    raise AssertionError(f"no child of job {job}: {server.get(f'/v2/jobs/{job}').json}")


def test_job_child_killed(own_server):
    job, child = start_job(own_server)
    os.kill(child, signal.SIGKILL)
    state = own_server.finished_job(job)
    assert state["state"] == "failed"
    assert state["error"]
    assert own_server.get("/v2/health/ready").status == 200
    assert own_server.get("/v2/models/work/versions/2").status == 404


def test_job_cancelled(own_server):
    job, child = start_job(own_server)
    assert own_server.delete(f"/v2/jobs/{job}").status < 300
    try:
        os.kill(child, signal.SIGCONT)
    except ProcessLookupError:
        pass
    assert own_server.finished_job(job)["state"] == "cancelled"
    assert own_server.get("/v2/models/work/versions/2").status == 404


def test_killed_during_job(own_server):
    job, child = start_job(own_server)
    own_server.stop(signal.SIGKILL)
    try:
        os.kill(child, signal.SIGKILL)
    except ProcessLookupError:
        pass
    own_server.start()
    assert own_server.get(f"/v2/jobs/{job}").json["state"] == "interrupted"
    assert own_server.get("/v2/models/work").status == 200
    assert own_server.get("/v2/models/work/versions/2").status == 404


def test_terminated_during_job(own_server):
    job, child = start_job(own_server)
    assert own_server.stop() == 0
    assert not Path(f"/proc/{child}").exists()
    own_server.start()
    state = own_server.get(f"/v2/jobs/{job}").json
    assert state["state"] == "interrupted"
    assert "server stopped" in state["error"]
    assert own_server.get("/v2/models/work").json["versions"] == ["1"]
    assert not [path for path in own_server.data.glob("state/scratch/*") if any(path.iterdir())]


def test_sigterm_drains(own_server):
    assert own_server.stop() == 0


def test_port_taken(own_server):
    from conftest import run_adze

    result = run_adze("serve", "--config", "config/adze.yaml", "--port", own_server.port,
                      "--models", f"{own_server.data}-2/models", "--set", f"data.directory={own_server.data}-2/state",
                      check=False)
    assert result.returncode == 1
    assert str(own_server.port) in result.stderr
