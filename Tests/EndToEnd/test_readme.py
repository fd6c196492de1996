"""Every command in the README's console blocks runs, in order, and prints what the README shows."""

import re
import subprocess
import time

from conftest import ROOT


def examples():
    """(command, shown output) of every `$ ` line; `…` in the output stands for anything."""
    for block in re.findall(r"```console\n(.*?)```", (ROOT / "README.md").read_text(), re.S):
        for example in re.split(r"^\$ ", block, flags=re.M)[1:]:
            command, _, output = example.partition("\n")
            yield command, output.strip()


def matches(shown, printed):
    pattern = r".*?".join(re.escape(part) for part in shown.split("…"))
    return re.fullmatch(pattern, printed.strip(), re.S) is not None


def test_readme(own_server, tmp_path):
    folder = tmp_path / "clone"
    folder.mkdir()
    (folder / "config").symlink_to(ROOT / "config")
    (folder / "scripts").symlink_to(ROOT / "scripts")
    count = 0
    for command, shown in examples():
        actual = command.replace("localhost:8080", f"localhost:{own_server.port}")
        end = time.monotonic() + 60
        while True:
            result = subprocess.run(["bash", "-c", actual], cwd=folder, capture_output=True, text=True, timeout=60)
            assert result.returncode == 0, f"{command}: {result.stderr}"
            # A job is shown as it looks when it is done.
            if matches(shown, result.stdout) or "/v2/jobs/" not in command or time.monotonic() > end:
                break
            time.sleep(0.1)
        assert matches(shown, result.stdout), f"{command}\nshown:   {shown}\nprinted: {result.stdout}"
        count += 1
    assert count >= 10
    assert (folder / "small.onnx").stat().st_size < (folder / "my.onnx").stat().st_size
