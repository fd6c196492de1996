"""Markdown tables, and the page of the engine's documentation that has them between markers."""
import datetime
import math
import os
import re
from pathlib import Path

from environment import ROOT


class Page:
    """Performance.md: `<!-- NAME -->` … `<!-- end NAME -->` hold what a script measured."""

    def __init__(self, path=ROOT / "Sources" / "Engine" / "Engine.docc" / "Performance.md"):
        self.path = Path(path)

    def write(self, name, text):
        """Puts `text` between the markers of section `name`, which must be there."""
        begin, end = f"<!-- {name} -->", f"<!-- end {name} -->"
        page = self.path.read_text()
        if begin not in page or end not in page:
            raise SystemExit(f"{self.path.name} has no markers '{begin}' and '{end}'")
        before, rest = page.split(begin, 1)
        after = rest.split(end, 1)[1]
        self.path.write_text(f"{before}{begin}\n{text}\n{end}{after}")


def table(heads, rows):
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def geometric_mean(values):
    return math.exp(sum(map(math.log, values)) / len(values))


def conditions(versions, options, command="scripts/performance"):
    """One sentence: machine, versions, date, command, and how busy the machine was."""
    info = Path("/proc/cpuinfo").read_text()
    model = re.search(r"model name\s*: (.*)", info)
    engines = [f"Adze with {versions['adze']}"] if "adze" in versions else []
    engines += [f"onnxruntime {versions['onnxruntime']}"] if "onnxruntime" in versions else []
    engines += [f"OpenVINO {versions['openvino']}"] if "openvino" in versions else []
    today = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
    load = os.getloadavg()[0]
    busy = f", load average {load:.1f} with the measurement's own" if load > 2.5 else ""
    command = f"{command} --rounds {options.rounds} --seconds {options.seconds:g}"
    machine = f"{model.group(1) if model else os.uname().machine}, {os.cpu_count()} cores{busy}"
    return "; ".join([machine, *([", ".join(engines)] if engines else []), today, f"`{command}`."])
