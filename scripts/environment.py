"""Python environments of the scripts: one folder a purpose, made on first use and whenever its packages change."""
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def python_of(name, packages):
    """The interpreter of the environment ROOT/name, with exactly these packages asked for."""
    folder = ROOT / name
    python, stamp = folder / "bin" / "python", folder / "installed.txt"
    if not stamp.exists() or stamp.read_text() != "\n".join(packages):
        print(f"making {name} with {', '.join(packages)}", file=sys.stderr)
        subprocess.check_call([sys.executable, "-m", "venv", str(folder)])
        command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages]
        subprocess.check_call(command)
        stamp.write_text("\n".join(packages))
    return python


def enter(name, packages):
    """Runs the calling script again inside the environment, unless it is there."""
    if Path(sys.prefix).resolve() == (ROOT / name).resolve():
        return
    python = python_of(name, packages)
    os.execv(python, [str(python), *sys.argv])
