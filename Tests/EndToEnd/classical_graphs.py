"""Graphs of ai.onnx.ml operators in all their variants, for comparison with onnxruntime."""

import itertools

from onnx import TensorProto, helper

DOMAIN = "ai.onnx.ml"
TRANSFORMS = ["NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO", "PROBIT"]
LABELS = {1: [7], 2: [10, 20], 3: [10, 20, 30]}


def model(nodes, inputs, outputs):
    graph = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info(*each) for each in inputs],
        [helper.make_tensor_value_info(*each) if isinstance(each, tuple) else each for each in outputs])
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid(DOMAIN, 3)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def stump(votes, prefix, threshold=0.0, mode="BRANCH_LEQ", missing=None):
    """One tree with two leaves; votes: (leaf 1 or 2, class or target, weight)."""
    attributes = dict(
        nodes_treeids=[0] * 3, nodes_nodeids=[0, 1, 2], nodes_featureids=[0] * 3, nodes_values=[threshold, 0.0, 0.0],
        nodes_modes=[mode, "LEAF", "LEAF"], nodes_truenodeids=[1, 0, 0], nodes_falsenodeids=[2, 0, 0])
    if missing is not None:
        attributes["nodes_missing_value_tracks_true"] = [missing, 0, 0]
    leaves, ids, weights = zip(*votes)
    attributes |= {f"{prefix}_treeids": [0] * len(votes), f"{prefix}_nodeids": list(leaves),
                   f"{prefix}_ids": list(ids), f"{prefix}_weights": list(weights)}
    return attributes


def tree_classifiers():
    for transform, first in itertools.product(TRANSFORMS, [0.25, -0.25]):
        for base in (None, [0.1], [0.1, 0.2]):
            for which in (0, 1):
                # With PROBIT and votes for the first class only, onnxruntime leaves a score unwritten.
                if transform == "PROBIT" and which == 0 and base != [0.1, 0.2]:
                    continue
                yield stump([(1, which, first), (2, which, 0.75)], "class"), base, 2, transform
            yield stump([(1, 0, first), (1, 1, 0.5), (2, 0, 0.75), (2, 1, 0.25)], "class"), base, 2, transform
        if transform != "PROBIT":
            yield stump([(1, 0, first), (1, 1, 0.5), (2, 0, 0.75)], "class"), None, 2, transform
        yield stump([(1, 0, first), (2, 0, 0.75)], "class"), None, 1, transform
        for base in (None, [0.1, 0.2, 0.3]):
            yield stump([(1, 0, first), (2, 2, 0.75)], "class"), base, 3, transform


def classifiers():
    """(operator, attributes) of classifiers with integer labels; both outputs are defined."""
    for attributes, base, count, transform in tree_classifiers():
        if base:
            attributes = attributes | {"base_values": base}
        yield "TreeEnsembleClassifier", attributes | {"classlabels_int64s": LABELS[count], "post_transform": transform}
    for transform in TRANSFORMS:
        for coefficients, intercepts in (
            ([1.0], [0.1]), ([-1.0, 1.0], [0.1, 0.2]), ([1.0, 2.0, -1.0], [0.1, 0.2, 0.3])):
            if len(intercepts) == 1 and transform == "PROBIT":
                continue
            yield "LinearClassifier", dict(
                coefficients=coefficients, intercepts=intercepts, post_transform=transform,
                classlabels_ints=LABELS[max(2, len(intercepts))])
        yield from machines(transform)


def machines(transform):
    for count in (2, 3):
        yield "SVMClassifier", dict(
            kernel_type="LINEAR", kernel_params=[0.0, 0.0, 0.0], coefficients=[1.0, -1.0, 0.5][:count], rho=[0.2],
            classlabels_ints=LABELS[count], post_transform=transform)
    for kernel in ("LINEAR", "RBF", "POLY", "SIGMOID"):
        common = dict(kernel_type=kernel, kernel_params=[0.5, 0.1, 3.0], post_transform=transform)
        for coefficients, scaling in itertools.product(([1.0, -1.0], [1.0, 1.0]), (None, ([-1.0], [0.1]))):
            if scaling is None and transform == "PROBIT":
                continue
            attributes = dict(common, support_vectors=[1.0, 2.0], vectors_per_class=[1, 1], coefficients=coefficients,
                              rho=[0.2], classlabels_ints=LABELS[2])
            yield "SVMClassifier", attributes | (dict(prob_a=scaling[0], prob_b=scaling[1]) if scaling else {})
        for scaling in (None, ([-1.0, -2.0, -0.5], [0.1, 0.0, 0.2])):
            attributes = dict(
                common, support_vectors=[1.0, 2.0, -1.0], vectors_per_class=[1, 1, 1], rho=[0.2, 0.1, -0.3],
                coefficients=[1.0, -1.0, 0.5, 0.3, 0.2, -0.7], classlabels_ints=LABELS[3])
            yield "SVMClassifier", attributes | (dict(prob_a=scaling[0], prob_b=scaling[1]) if scaling else {})


def regressors():
    for transform in TRANSFORMS:
        for aggregate in ("SUM", "AVERAGE", "MIN", "MAX"):
            for base, votes, targets in (
                (None, [(1, 0, 0.3), (2, 0, 0.6)], 1), ([0.1], [(1, 0, 0.3), (2, 0, 0.6)], 1),
                (None, [(1, 0, 0.3), (2, 1, 0.6)], 2), ([0.1, 0.2], [(1, 0, 0.3), (2, 1, 0.6)], 2)):
                attributes = stump(votes, "target") | dict(
                    n_targets=targets, aggregate_function=aggregate, post_transform=transform)
                yield "TreeEnsembleRegressor", attributes | ({"base_values": base} if base else {})
        for coefficients, intercepts, targets in (
            ([1.0], [0.1], 1), ([1.0, -1.0], [0.1, 0.2], 2), ([1.0, -1.0], [0.1], 2)):
            yield "LinearRegressor", dict(
                coefficients=coefficients, intercepts=intercepts, targets=targets, post_transform=transform)
        for kernel, one_class in itertools.product(("LINEAR", "RBF", "POLY", "SIGMOID"), (0, 1)):
            yield "SVMRegressor", dict(
                kernel_type=kernel, kernel_params=[0.5, 0.1, 3.0], post_transform=transform, one_class=one_class,
                support_vectors=[1.0, 2.0], coefficients=[1.0, -1.0], rho=[0.2], n_supports=2)
    for mode, missing in itertools.product(
        ("BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ"), (None, 0, 1)):
        yield "TreeEnsembleRegressor", stump(
            [(1, 0, 1.0), (2, 0, 2.0)], "target", threshold=2.0, mode=mode, missing=missing) | dict(n_targets=1)


def transformers():
    """(operator, attributes, element types that onnxruntime has it for)."""
    every = [TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.INT64, TensorProto.INT32]
    for norm in ("MAX", "L1", "L2"):
        yield "Normalizer", dict(norm=norm), every
    yield "Scaler", dict(offset=[0.5], scale=[2.0]), every
    yield "Binarizer", dict(threshold=0.5), every[:1]
    yield "OneHotEncoder", dict(cats_int64s=[2, 0, -1]), [TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.INT64]
    yield "Imputer", dict(imputed_value_floats=[9.0], replaced_value_float=2.0), every[:1]
    yield "Imputer", dict(imputed_value_int64s=[9], replaced_value_int64=2), [TensorProto.INT64]


def everything():
    """One model with all variants: its inputs are `x` `[rows, 1]`, which may hold NaN, and `x_<type>`."""
    nodes, outputs = [], []
    names = {TensorProto.FLOAT: "x_float", TensorProto.DOUBLE: "x_double", TensorProto.INT64: "x_int64",
             TensorProto.INT32: "x_int32"}

    def add(op, kinds, attributes, given="x"):
        results = [f"{op}_{len(nodes)}_{index}" for index in range(len(kinds))]
        nodes.append(helper.make_node(op, [given], results, name=results[0], domain=DOMAIN, **attributes))
        outputs.extend((name, kind, None) for name, kind in zip(results, kinds))

    for op, attributes in classifiers():
        add(op, [TensorProto.INT64, TensorProto.FLOAT], attributes)
    for op, attributes in regressors():
        add(op, [TensorProto.FLOAT], attributes)
    for op, attributes, elements in transformers():
        for element in elements:
            same = op in ("Binarizer", "Imputer")
            add(op, [element if same else TensorProto.FLOAT], attributes, names[element])
    for element in (TensorProto.DOUBLE, TensorProto.INT64, TensorProto.INT32):
        add("LinearClassifier", [TensorProto.INT64, TensorProto.FLOAT], dict(
            coefficients=[1.0, 2.0, -1.0], intercepts=[0.1, 0.2, 0.3], classlabels_ints=LABELS[3]), names[element])
        add("TreeEnsembleClassifier", [TensorProto.INT64, TensorProto.FLOAT], stump(
            [(1, 0, 0.25), (2, 2, 0.75)], "class") | {"classlabels_int64s": LABELS[3]}, names[element])
        add("SVMClassifier", [TensorProto.INT64, TensorProto.FLOAT], dict(
            kernel_type="RBF", kernel_params=[0.5, 0.1, 3.0], support_vectors=[1.0, 2.0], vectors_per_class=[1, 1],
            coefficients=[1.0, -1.0], rho=[0.2], classlabels_ints=LABELS[2]), names[element])
    inputs = [("x", TensorProto.FLOAT), *((name, element) for element, name in names.items())]
    return model(nodes, [(name, element, [None, 1]) for name, element in inputs], outputs)


def zipped_classifier():
    """What scikit-learn's converter makes of a logistic regression with three named classes."""
    nodes = [
        helper.make_node("LinearClassifier", ["input"], ["label", "scores"], domain=DOMAIN,
                         coefficients=[1.0, 0.0, 0.0, 1.0, -1.0, -1.0], intercepts=[0.1, 0.2, 0.3],
                         classlabels_strings=["setosa", "versicolor", "virginica"], post_transform="SOFTMAX"),
        helper.make_node("Normalizer", ["scores"], ["probabilities"], domain=DOMAIN, norm="L1"),
        helper.make_node("ZipMap", ["probabilities"], ["output_probability"], domain=DOMAIN,
                         classlabels_strings=["setosa", "versicolor", "virginica"]),
        helper.make_node("Identity", ["label"], ["output_label"]),
    ]
    kind = helper.make_map_type_proto(TensorProto.STRING, helper.make_tensor_type_proto(TensorProto.FLOAT, []))
    maps = helper.make_value_info("output_probability", helper.make_sequence_type_proto(kind))
    return model(nodes, [("input", TensorProto.FLOAT, [None, 2])],
                 [("output_label", TensorProto.STRING, [None]), maps])


def colour_encoder():
    """Strings in, one-hot numbers and their places out."""
    colours = ["red", "green", "grün"]
    nodes = [
        helper.make_node("OneHotEncoder", ["colour"], ["hot"], domain=DOMAIN, cats_strings=colours),
        helper.make_node("CategoryMapper", ["colour"], ["place"], domain=DOMAIN, cats_strings=colours,
                         cats_int64s=[1, 2, 3], default_int64=-5),
    ]
    return model(nodes, [("colour", TensorProto.STRING, [None, 1])],
                 [("hot", TensorProto.FLOAT, [None, 1, 3]), ("place", TensorProto.INT64, [None, 1])])
