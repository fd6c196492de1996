"""The command line: results on stdout, messages on stderr, exit codes 0, 1, 2."""

import json
import os
import re
import resource
import shutil
import stat
import subprocess
import time
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper
from conftest import ADZE, CNN, DIGITS, TEST_SET, run_adze


@pytest.mark.parametrize("model, name", [(DIGITS, "pixels"), (CNN, "image")])
@pytest.mark.parametrize("threads", [1, 2])
def test_run(model, name, threads, test_set, tmp_path):
    inputs, outputs = tmp_path / "in.npz", tmp_path / "out.npz"
    np.savez(inputs, **{name: test_set[name]})
    run_adze("run", model, "--inputs", inputs, "--outputs", outputs, "--threads", threads)
    expected = onnxruntime.InferenceSession(model).run(None, {name: test_set[name]})[0]
    with np.load(outputs) as arrays:
        np.testing.assert_allclose(arrays["logits"], expected, rtol=1e-3, atol=1e-4)


def test_bench_json():
    result = json.loads(run_adze("bench", DIGITS, "--batch", 4, "--seconds", 0.2, "--json").stdout)
    for key in ("p50_ms", "p90_ms", "p99_ms", "rows_per_s", "load_ms", "peak_rss_bytes", "isa"):
        assert result[key], key
    assert result["p50_ms"] <= result["p90_ms"] <= result["p99_ms"]


def test_bench_of_extents_without_names(tmp_path):
    """They go by input and axis; what nothing sets is said, and so is a name that sets nothing."""
    port = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [None, 3, None])
    result = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, None)
    window = onnx.helper.make_node("MaxPool", ["x"], ["y"], kernel_shape=[5])
    graph = onnx.helper.make_graph([window], "pool", [port], [result])
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)]), tmp_path / "pool.onnx")
    bench = ["bench", tmp_path / "pool.onnx", "--seconds", 0.05]
    assert "p50" in run_adze(*bench, "--dim", "x.2=9").stdout
    failed = run_adze(*bench, "--dim", "width=9", check=False)
    assert failed.returncode == 1
    assert "x.2=1 assumed; set it with --dim x.2=N" in failed.stderr
    assert "--dim width sets nothing: no input has such a dimension; open are x.0, x.2" in failed.stderr


def assert_rates(rows):
    for row in rows:
        assert row["us"] > 0 and row["gflops"] >= 0 and row["gbytes_per_s"] >= 0, row
        assert 0 <= row["peak_share"] < 40, row


def test_bench_profile():
    arguments = ["bench", DIGITS, "--batch", 32, "--threads", 1, "--seconds", 0.1, "--profile"]
    result = json.loads(run_adze(*arguments, "--json").stdout)
    assert result["peak"]["isa"] == result["isa"] and result["peak"]["gflops_f32"] > 1
    assert set(result["peak"]["gbytes_per_s"]) == {"L2", "L3", "memory"}
    nodes, operators = result["nodes"], result["operators"]
    assert_rates(nodes + operators)
    assert abs(sum(node["share"] for node in nodes) - 1) < 1e-6
    assert abs(sum(row["share"] for row in operators) - 1) < 1e-6
    assert sum(row["nodes"] for row in operators) == len(nodes)
    # 64-256-128-10 at batch 32: what the rates stand for is the products' work and no more.
    products = [node for node in nodes if node["gflops"] > 0]
    macs = 32 * (64 * 256 + 256 * 128 + 128 * 10)
    assert len(products) == 3
    assert abs(sum(node["gflops"] * node["us"] * 1e3 / 2 for node in products) / macs - 1) < 1e-3
    text = run_adze(*arguments).stdout
    assert re.search(r"^share +us +rate +peak +operator +kernel +node$", text, re.M), text
    assert re.search(r"^peak of one core, \w+: float32 \d", text, re.M), text


def test_bench_kernels():
    result = json.loads(run_adze("bench", "--kernels", "--json").stdout)
    assert result["peak"]["gflops_f32"] > 1 and result["peak"]["gflops_i8"] > 1
    assert_rates(result["kernels"])
    names = {row["kernel"].split()[0] for row in result["kernels"]}
    assert {"gemm_f32", "gemm_i8", "gemm_block_i8", "gemm_sparse_f32", "conv2d_winograd_f32", "softmax_f32"} <= names
    dense = [row for row in result["kernels"] if row["kernel"].startswith("gemm_f32 ")]
    # Dense products cannot do more than the peak; a busy machine may have measured that too low.
    assert all(0.02 < row["peak_share"] < 1.5 for row in dense), dense


def node_case(name):
    return Path(onnx.__file__).parent / "backend/test/data/node" / name


def test_verify_passes():
    cases = [node_case(name) for name in ("test_relu", "test_matmul_2d", "test_conv_with_strides_padding",
                                          "test_softmax_axis_1", "test_quantizelinear_axis", "test_nonzero_example")]
    assert run_adze("verify", *cases).stdout.splitlines()[-1] == f"{len(cases)} passed, 0 failed"


def test_verify_makes_up_inputs():
    light = Path(onnx.__file__).parent / "backend/test/data/light/light_squeezenet.onnx"
    assert run_adze("verify", light).stdout == "1 passed, 0 failed\n"


def test_verify_sees_a_wrong_output(tmp_path):
    case = shutil.copytree(node_case("test_relu"), tmp_path / "case")
    output = case / "test_data_set_0/output_0.pb"
    tensor = onnx.load_tensor(output)
    values = numpy_helper.to_array(tensor).copy()
    values.flat[7] += 1
    output.write_bytes(numpy_helper.from_array(values, tensor.name).SerializeToString())
    result = run_adze("verify", case, check=False)
    assert result.returncode == 1
    assert result.stdout.splitlines()[-1] == "0 passed, 1 failed"


def test_inspect():
    result = json.loads(run_adze("inspect", DIGITS, "--json").stdout)
    assert result["inputs"][0]["name"] == "pixels"
    assert result["parameters"] == 64 * 256 + 256 + 256 * 128 + 128 + 128 * 10 + 10
    assert "fc1" in run_adze("inspect", DIGITS).stdout


def test_eval():
    result = run_adze("eval", DIGITS, "--dataset", TEST_SET, "--metric", "accuracy")
    assert "98.19" in result.stdout or "0.9819" in result.stdout


def test_compress_writes_a_page(tmp_path):
    page = tmp_path / "report.html"
    run_adze("compress", DIGITS, tmp_path / "small.onnx", "--evaluation", TEST_SET, "--html", page)
    root = ElementTree.parse(page).getroot()
    assert "compression report" in root.find("head/title").text
    assert "98.19 %" in page.read_text()


def test_progress_comes_at_least_once_a_second(tmp_path):
    """Packing random weights and zipping them takes seconds in which the pipeline itself says nothing."""
    shape = (4096, 4096)
    weight = numpy_helper.from_array(np.random.default_rng(1).standard_normal(shape, np.float32), "w")
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("MatMul", ["x", "w"], ["y"])], "wide",
        [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["batch", shape[0]])],
        [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["batch", shape[1]])], [weight],
    )
    model = onnx.helper.make_model(graph, ir_version=10, opset_imports=[onnx.helper.make_opsetid("", 21)])
    onnx.save(model, tmp_path / "wide.onnx")
    command = [ADZE, "compress", tmp_path / "wide.onnx", tmp_path / "small.onnx", "--progress-json", "--threads", "1"]
    lines, times = [], [time.monotonic()]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            lines.append(json.loads(line))
            times.append(time.monotonic())
    assert process.returncode == 0
    # The first one comes when the model has been read; the machine may be busy.
    assert max(np.diff(times[1:])) < 2.5
    fractions = [line["progress"] for line in lines]
    assert fractions == sorted(fractions) and fractions[-1] == 1
    left = [line["seconds_left"] for line in lines if "seconds_left" in line]
    assert len(left) > 1 and left[-1] == 0 and all(seconds >= 0 for seconds in left)
    assert "seconds_left" not in lines[0]


def test_compress_is_deterministic(tmp_path):
    recipe = tmp_path / "recipe.json"
    recipe.write_text(json.dumps({"steps": [{"prune": {"method": "magnitude", "sparsity": 0.5}},
                                            {"quantize": {"weights": "int8", "activations": "dynamic"}}]}))
    files = [tmp_path / "a.onnx", tmp_path / "b.onnx"]
    for file in files:
        run_adze("compress", DIGITS, file, "--recipe", recipe, "--evaluation", TEST_SET, "--report", f"{file}.json")
    assert files[0].read_bytes() == files[1].read_bytes()
    assert json.loads((tmp_path / "a.onnx.json").read_text())


def test_a_full_disk_leaves_nothing_behind(tmp_path):
    """The limit on a file's size strikes in the middle of the write, as a full disk does."""
    output = tmp_path / "small.onnx"
    output.write_text("the old one")
    result = run_adze("compress", DIGITS, output, check=False, preexec_fn=lambda: resource.setrlimit(
        resource.RLIMIT_FSIZE, (10_000, 10_000)))
    assert result.returncode == 1
    assert "cannot write" in result.stderr
    assert output.read_text() == "the old one"
    assert [path.name for path in tmp_path.iterdir()] == ["small.onnx"]


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/null"), Path.mkdir])
def test_only_files_are_replaced(make, tmp_path):
    output = tmp_path / "output"
    make(output)
    kind = stat.S_IFMT(output.lstat().st_mode)
    result = run_adze("compress", DIGITS, output, check=False)
    assert result.returncode == 1
    assert "is not a regular file" in result.stderr
    assert stat.S_IFMT(output.lstat().st_mode) == kind
    assert [path.name for path in tmp_path.iterdir()] == ["output"]


def test_operators():
    assert "float16, bfloat16, float32, float64" in run_adze("operators", "Conv").stdout
    entries = json.loads(run_adze("operators", "--format", "json").stdout)
    assert len(entries) > 220
    resize = next(entry for entry in entries if entry["name"] == "Resize")
    assert resize["supported"] and resize["versions"][:2] == [10, 11] and "float32" in resize["types"]
    result = run_adze("operators", "Conv", "com.example.Magic", check=False)
    assert result.returncode == 1
    assert result.stdout.splitlines()[-1] == "com.example.Magic  not computed"


def element_types():
    """Numbers of ONNX's element types by the names that Adze gives them."""
    numbers = {name.lower(): number for name, number in onnx.TensorProto.DataType.items() if number}
    return numbers | {"float32": numbers.pop("float"), "float64": numbers.pop("double")}


def bits(kind):
    if kind in ("bool", "complex64", "complex128"):
        return {"bool": 8, "complex64": 64, "complex128": 128}[kind]
    return int(re.match(r"[a-z]+(\d+)", kind)[1])


def unary_operators():
    """Operators of ai.onnx that run on one tensor of four axes without attributes."""
    needs_more = {"RegexFullMatch", "Resize", "EyeLike", "BlackmanWindow", "HammingWindow", "HannWindow", "DFT",
                  "Multinomial", "StringNormalizer", "ImageDecoder"}
    for entry in json.loads(run_adze("operators", "--format", "json").stdout):
        if entry["domain"] or not entry["supported"] or "becomes" in entry or entry["name"] in needs_more:
            continue
        schema = onnx.defs.get_schema(entry["name"])
        if (schema.min_input == 1 and schema.min_output == 1 and not schema.deprecated
                and not any(attribute.required for attribute in schema.attributes.values())
                and any(text.startswith("tensor") for text in schema.inputs[0].types)):
            yield entry


def test_the_listed_types_are_those_that_run(tmp_path):
    """A node of one tensor runs with each type that is listed, and with no other."""
    expected = {}
    for entry in unary_operators():
        for kind, number in element_types().items():
            case = tmp_path / f"{entry['name']}_{kind}"
            (case / "test_data_set_0").mkdir(parents=True)
            x = onnx.helper.make_tensor_value_info("x", number, None)
            y = onnx.helper.make_empty_tensor_value_info("y")
            graph = onnx.helper.make_graph([onnx.helper.make_node(entry["name"], ["x"], ["y"])], "g", [x], [y])
            (case / "model.onnx").write_bytes(onnx.helper.make_model(graph, ir_version=11).SerializeToString())
            zeros = onnx.TensorProto(dims=[1, 4, 4, 4], data_type=number)
            if kind == "string":
                zeros.string_data.extend([b""] * 64)
            else:
                zeros.raw_data = bytes(64 * bits(kind) // 8)
            (case / "test_data_set_0" / "input_0.pb").write_bytes(zeros.SerializeToString())
            expected[case.name] = kind in entry["types"]
    assert len(expected) > 1500
    lines = run_adze("verify", tmp_path, check=False).stdout.splitlines()[:-1]
    # No outputs are stored, so a node that ran gives one too many.
    answers = {line.split("/")[0]: line for line in lines}
    wrong = [answers[case] for case, listed in expected.items() if ("outputs, expected 0" in answers[case]) != listed]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("isa, code", [("portable", 0), ("sse9", 2), ("", 2)])
def test_unknown_instruction_sets_are_refused(isa, code):
    result = run_adze("--version", check=False, env={**os.environ, "ADZE_ISA": isa})
    assert result.returncode == code
    if code:
        assert "portable" in result.stderr


@pytest.mark.parametrize(
    "arguments, code",
    [
        (["--help"], 0), (["serve", "--help"], 0), (["compress", "--help"], 0),
        (["operators", "--help"], 0), (["operators", "--format", "xml"], 2),
        (["nothing"], 2), (["bench"], 2), (["bench", DIGITS, "--batch", "0"], 2),
        (["bench", DIGITS, "--kernels"], 2), (["bench", "--kernels", "--profile"], 2),
        (["run", "missing.onnx", "--inputs", "a.npz", "--outputs", "b.npz"], 1),
        (["serve", "--config", "missing.yaml"], 1),
        (["serve", "--set", "no.such.option=1"], 1),
    ],
)
def test_exit_codes(arguments, code):
    result = run_adze(*arguments, check=False)
    assert result.returncode == code, result.stderr
    if code == 0:
        assert result.stdout and not result.stderr
    else:
        assert result.stderr and not result.stdout
