"""A search over HTTP and on the command line: it says how far it is, and keeps what it has found when it is stopped."""

import json
import signal
import subprocess
import time

import onnx
import pytest
from conftest import ADZE, DIGITS, ROOT, TEST_SET

TRAIN_SET = ROOT / "config" / "datasets" / "digits-train.npz"
# The budget is longer than any test waits, and large batches take time to measure.
SEARCH = {
    "search": {"seconds": 600, "trials": 10_000, "minimize": "size"},
    "calibration": {"dataset": "digits-train", "samples": 256},
    "evaluation": {"dataset": "digits-test", "metric": "accuracy", "batches": [1, 8, 32, 256, 4096]},
    "constraints": {"max_drop": 0.01},
}


def searching(server, model):
    """The path of a new search's job."""
    reply = server.post(f"/v2/models/{model}/compress", SEARCH)
    assert reply.status == 202, reply.body
    return reply.headers["location"]


def events(server, path, then):
    """(when, job) of each of the job's events; `then(jobs)` is called after each."""
    command = ["curl", "-sS", "--no-buffer", "--max-time", "60", server.url(path + "/events")]
    found, lines = [], []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            if line.startswith("data: "):
                lines.append(line.removeprefix("data: "))
            elif line == "\n":
                found.append((time.monotonic(), json.loads("".join(lines))))
                lines = []
                then([job for _, job in found])
    assert process.returncode == 0 and not lines
    return found


def test_a_deleted_search_keeps_its_best(server, uploaded, test_set):
    path = searching(server, uploaded)
    start, deleted = time.monotonic(), []

    def delete(jobs):
        # Some candidates have been measured by now; all of them take about 10 s.
        if not deleted and jobs[-1]["stage"] == "search" and time.monotonic() > start + 4:
            deleted.append(server.delete(path).json["state"])

    found = events(server, path, delete)
    assert deleted == ["running"]
    times = [start, *(when for when, _ in found)]
    assert max(b - a for a, b in zip(times, times[1:])) < 2
    jobs = [job for _, job in found]
    progress = [job["progress"] for job in jobs]
    assert progress == sorted(progress) and progress[0] < 0.1 and progress[-1] == 1
    assert any(job["seconds_left"] for job in jobs)
    job = jobs[-1]
    assert job["state"] == "done" and job["error"] is None and job["seconds_left"] is None
    search = job["report"]["search"]
    assert search["stopped"] and len(search["trials"]) > 1
    assert 0 in search["pareto"] and search["chosen"] in search["pareto"]
    best = search["trials"][search["chosen"]]
    assert best["quality"]["loss"] <= 0.01
    # Those that are smaller were judged worse than the limit allows.
    best = search["trials"][search["chosen"]]
    assert best["quality"]["loss"] <= 0.01
    smaller = [t for t in search["trials"] if t.get("cost") and t["cost"]["file_bytes"] < best["cost"]["file_bytes"]]
    assert all(trial["quality"]["loss"] > 0.01 for trial in smaller)
    # The file is what the report says, and answers as well.
    file = server.get(f"/v2/repository/models/{uploaded}/versions/{job['version']}/files/model.onnx").body
    assert len(file) == job["report"]["after"]["file_bytes"]
    onnx.checker.check_model(onnx.load_from_string(file), full_check=True)
    logits = server.infer(uploaded, test_set["pixels"], version=job["version"])
    right = (logits.argmax(1) == test_set["labels"]).mean()
    assert right == pytest.approx(job["report"]["after"]["metric"]["value"], abs=0.002)
    # The next job gets its turn, and nothing of this one is left.
    after = server.post(f"/v2/models/{uploaded}/compress", {"steps": [{"quantize": {}}]})
    assert server.finished_job(after.json["id"])["state"] == "done"
    assert server.get(f"/v2/models/{uploaded}").json["versions"][-1] == str(job["version"] + 1)
    assert not list(server.data.glob("state/scratch/*/*"))


def test_a_second_deletion_cancels(server, uploaded):
    path = searching(server, uploaded)
    while server.get(path).json["state"] == "queued":
        time.sleep(0.05)
    server.delete(path)
    server.delete(path)
    # It may have finished between the two.
    assert server.finished_job(path.rsplit("/", 1)[1])["state"] in ("cancelled", "done")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_search_with_its_best(tmp_path, number):
    recipe, small, report = (tmp_path / name for name in ("recipe.json", "small.onnx", "report.json"))
    recipe.write_text(json.dumps(SEARCH))
    command = [ADZE, "compress", DIGITS, small, "--recipe", recipe, "--calibration", TRAIN_SET,
               "--evaluation", TEST_SET, "--report", report, "--progress-json"]  # fmt: skip
    with subprocess.Popen([str(part) for part in command], stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            if json.loads(line)["stage"] == "search":
                process.send_signal(number)
                break
        process.stdout.read()
    assert process.returncode == 0
    assert json.loads(report.read_text())["search"]["stopped"]
    onnx.checker.check_model(onnx.load(small), full_check=True)
