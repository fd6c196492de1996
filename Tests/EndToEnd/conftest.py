"""Starts the real binary on a free port for the tests, and speaks to it with curl."""

import json
import os
import shutil
import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
ADZE = ROOT / ".build" / "release" / "adze"
DIGITS = ROOT / "config" / "models" / "digits" / "1" / "model.onnx"
CNN = ROOT / "config" / "models" / "digits-cnn" / "1" / "model.onnx"
TEST_SET = ROOT / "config" / "datasets" / "digits-test.npz"
REQUEST = ROOT / "config" / "examples" / "digits-request.json"
HTTP_VERSIONS = ["--http1.1", "--http2-prior-knowledge", "--http2"]


@dataclass
class Reply:
    status: int
    headers: dict
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def error(self):
        return self.json["error"]


class Server:
    """One `adze serve` process with its own data directory."""

    def __init__(self, data, *options, environment=None):
        self.data = Path(data)
        self.options = options
        self.environment = environment or {}
        self.process = None

    @property
    def resident_bytes(self):
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return 1024 * int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1])

    def start(self, wait=True):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.log = open(self.data.parent / f"{self.data.name}.log", "ab")
        self.process = subprocess.Popen(
            [ADZE, "serve", "--config", "config/adze.yaml", "--port", str(self.port),
             "--models", self.data / "models", "--set", f"data.directory={self.data / 'state'}", *self.options],
            cwd=ROOT, stdout=self.log, stderr=self.log, env={**os.environ, **self.environment},
        )
        if wait:
            self.wait_until_ready()
        return self

    def wait_until_ready(self, seconds=60):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise AssertionError(f"server ended with {self.process.returncode}:\n{self.log_text()}")
            try:
                if self.get("/v2/health/ready").status == 200:
                    return
            except ConnectionError:
                pass
            time.sleep(0.02)
        raise AssertionError(f"server is not ready after {seconds} s:\n{self.log_text()}")

    def log_text(self):
        return Path(self.log.name).read_text()[-4000:]

    def url(self, path):
        return f"http://127.0.0.1:{self.port}{path}"

    def curl(self, path, *arguments, data=None, seconds=60):
        """The reply of one curl call; `data` goes to its stdin (`-d @-`, `-T -` read it)."""
        command = ["curl", "-sS", "-i", "--globoff", "--max-time", str(seconds), *map(str, arguments), self.url(path)]
        result = subprocess.run(command, input=data, capture_output=True)
        if result.returncode != 0 and not result.stdout:
            raise ConnectionError(f"curl {result.returncode}: {result.stderr.decode()}")
        return parse_reply(result.stdout)

    def get(self, path, *arguments):
        return self.curl(path, *arguments)

    def post(self, path, body, *arguments):
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.curl(path, "--data-binary", "@-", *arguments, data=body)

    def put(self, path, file, *arguments):
        return self.curl(path, "-T", file, *arguments)

    def delete(self, path):
        return self.curl(path, "-X", "DELETE")

    def infer(self, model, rows, name="pixels", version=None):
        """Logits of `rows` [rows, 64]."""
        path = f"/v2/models/{model}" + (f"/versions/{version}" if version else "") + "/infer"
        reply = self.post(path, {"inputs": [{
            "name": name, "shape": list(rows.shape), "datatype": "FP32", "data": rows.ravel().tolist()}]})
        assert reply.status == 200, reply.body
        output = reply.json["outputs"][0]
        return np.array(output["data"], np.float32).reshape(output["shape"])

    def finished_job(self, job, seconds=120):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            state = self.get(f"/v2/jobs/{job}").json
            if state["state"] not in ("queued", "running"):
                return state
            time.sleep(0.05)
        raise AssertionError(f"job {job} is still {state}")

    def metric(self, name, **labels):
        """Sum of the samples of `name` that carry `labels`."""
        total, found = 0.0, False
        for line in self.get("/metrics").body.decode().splitlines():
            if line.startswith("#") or not line:
                continue
            sample, value = line.rsplit(" ", 1)
            if sample.split("{")[0] == name and all(f'{k}="{v}"' in sample for k, v in labels.items()):
                total, found = total + float(value), True
        assert found, f"no sample of {name} with {labels}"
        return total

    def stop(self, kind=signal.SIGTERM, seconds=30):
        self.process.send_signal(kind)
        code = self.process.wait(seconds)
        self.log.close()
        return code


def parse_reply(raw):
    """Splits what `curl -i` prints; interim answers (100, 101) come first."""
    while True:
        head, _, rest = raw.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        if not lines[0].startswith("HTTP/"):
            raise ConnectionError(f"no reply: {raw[:200]!r}")
        status = int(lines[0].split()[1])
        if status >= 200:
            break
        raw = rest
    headers = {}
    for line in lines[1:]:
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    return Reply(status, headers, rest)


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """A server that many tests share; none of them may stop it."""
    instance = Server(tmp_path_factory.mktemp("shared") / "data").start()
    yield instance
    assert instance.process.poll() is None, f"the shared server died:\n{instance.log_text()}"
    assert instance.stop() == 0


@pytest.fixture
def own_server(tmp_path):
    """A server of this test's own, which it may kill and start again."""
    instance = Server(tmp_path / "data").start()
    yield instance
    if instance.process.poll() is None:
        instance.stop(signal.SIGKILL)


@pytest.fixture(scope="session")
def test_set():
    with np.load(TEST_SET) as arrays:
        return dict(arrays)


@pytest.fixture
def uploaded(server, request):
    """The digits model under a name of the test's own."""
    name = request.node.name.replace("[", "-").replace("]", "").replace(".", "-")[:100]
    reply = server.put(f"/v2/repository/models/{name}", DIGITS)
    assert reply.status == 201, reply.body
    yield name
    server.delete(f"/v2/repository/models/{name}")


def run_adze(*arguments, check=True, **options):
    result = subprocess.run([ADZE, *map(str, arguments)], capture_output=True, text=True, cwd=ROOT, **options)
    if check:
        assert result.returncode == 0, result.stderr
    return result


def have(tool):
    return shutil.which(tool) is not None
