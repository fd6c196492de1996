"""Fitted models of every family that ONNX converters support, on small data, for scripts/compare_sklearn.py."""

ROWS = 60


# --- data ---------------------------------------------------------------------------------------------------------


class Data:
    """Small data sets with rows that are not easy to tell apart, so that scores are neither 0 nor 1."""

    def __init__(self):
        import numpy as np
        from sklearn.datasets import load_diabetes, load_iris

        random = np.random.default_rng(7)
        x, y = load_iris(return_X_y=True)
        order = random.permutation(len(x))
        self.x = (x + random.normal(0, 0.3, x.shape))[order].astype(np.float32)
        self.classes = y[order].astype(np.int64)
        self.binary = (self.classes > 0).astype(np.int64) ^ (random.random(len(y)) < 0.1)
        self.words = np.array(["setosa", "versicolor", "virginica"])[self.classes]
        self.integers = np.rint(self.x * 3).astype(np.int64)
        self.counts = np.abs(self.integers) % 4
        target = load_diabetes(return_X_y=True)[1][: len(x)]
        self.target = (self.x @ np.array([1.0, -0.5, 2.0, 0.7]) + target / 50 + 9).astype(np.float32)
        self.texts = np.array(
            [f"{a} {b}, the {c} {a}!" for a, b, c in random.choice(
                ["red apple", "green tree", "Blue Sea", "old house", "x1 y2", "a b"], (len(x), 3))]
        ).reshape(-1, 1)
        self.colours = np.array(["red", "green", "blue", "grün"])[random.integers(0, 4, (len(x), 2))]


# --- scikit-learn -------------------------------------------------------------------------------------------------


def estimators(data):
    """(family, fitted model, inputs, options) for every estimator that skl2onnx supports."""
    from skl2onnx._supported_operators import sklearn_operator_name_map
    from sklearn.utils import all_estimators

    supported = {cls for cls in sklearn_operator_name_map if isinstance(cls, type)}
    special = special_estimators(data)
    for name, cls in sorted(all_estimators()):
        if cls not in supported:
            continue
        makers = special.get(name) or default_makers(cls, data)
        for variant, make in makers:
            yield f"{name}{variant}", make


def default_makers(cls, data):
    from sklearn.base import is_classifier, is_regressor

    if is_classifier(cls()):
        return [
            ("", lambda: (cls().fit(data.x, data.classes), data.x)),
            ("/binary", lambda: (cls().fit(data.x, data.binary), data.x)),
            ("/words", lambda: (cls().fit(data.x, data.words), data.x)),
            ("/int64", lambda: (cls().fit(data.integers, data.classes), data.integers)),
        ]
    if is_regressor(cls()):
        return [
            ("", lambda: (cls().fit(data.x, data.target), data.x)),
            ("/int64", lambda: (cls().fit(data.integers, data.target), data.integers)),
        ]
    return [
        ("", lambda: (cls().fit(data.x, data.classes), data.x)),
        ("/int64", lambda: (cls().fit(data.integers, data.classes), data.integers)),
    ]


def special_estimators(data):
    """Estimators that take other data or need parameters."""
    import numpy as np
    from sklearn import (calibration, cluster, compose, cross_decomposition, decomposition, ensemble,
                         feature_extraction, feature_selection, gaussian_process, impute,
                         linear_model, mixture, model_selection, multiclass, multioutput, naive_bayes, neighbors,
                         neural_network, pipeline, preprocessing, random_projection, svm, tree)
    from sklearn.feature_extraction import text
    from sklearn.gaussian_process import kernels

    x, y, words = data.x, data.classes, data.words
    logistic = linear_model.LogisticRegression
    holes = x.copy()
    holes[::5, 1] = np.nan
    two_targets = np.stack([data.target, data.target * 0.5 - x[:, 0]], axis=1)
    votes = [("a", logistic()), ("b", tree.DecisionTreeClassifier(max_depth=3))]
    regressors = [("a", linear_model.LinearRegression()), ("b", tree.DecisionTreeRegressor(max_depth=3))]

    def classifier(make, labels=("", "/binary", "/words"), x=x):
        targets = {"": y, "/binary": data.binary, "/words": words}
        return [(label, lambda label=label: (make().fit(x, targets[label]), x)) for label in labels]

    def regressor(make, target=data.target):
        return [("", lambda: (make().fit(x, target), x))]

    def transformer(make, x=x, target=y):
        return [("", lambda: (make().fit(x, target), x))]

    def small(cls, **settings):
        return [(f"/{key}={value}", lambda key=key, value=value: (cls(**{key: value}).fit(x, y), x))
                for key, values in settings.items() for value in values]

    return {
        "AdaBoostClassifier": classifier(lambda: ensemble.AdaBoostClassifier(n_estimators=5)),
        "AdaBoostRegressor": regressor(lambda: ensemble.AdaBoostRegressor(n_estimators=5)),
        "BaggingClassifier": classifier(lambda: ensemble.BaggingClassifier(n_estimators=4)),
        "BayesianGaussianMixture": transformer(lambda: mixture.BayesianGaussianMixture(n_components=3, random_state=0)),
        "Binarizer": transformer(lambda: preprocessing.Binarizer(threshold=2.5)),
        "CategoricalNB": classifier(naive_bayes.CategoricalNB, x=data.counts),
        "CalibratedClassifierCV": [
            (f"/{method}{label}", lambda method=method, labels=labels: (
                calibration.CalibratedClassifierCV(logistic(), method=method, cv=2).fit(x, labels), x))
            for method in ("sigmoid", "isotonic") for label, labels in (("", y), ("/binary", data.binary))],
        "ColumnTransformer": transformer(lambda: compose.ColumnTransformer(
            [("a", preprocessing.StandardScaler(), [0, 2]), ("b", "passthrough", [1])])),
        "ComplementNB": classifier(naive_bayes.ComplementNB, x=np.abs(x)),
        "MultinomialNB": classifier(naive_bayes.MultinomialNB, x=np.abs(x)),
        "CountVectorizer": texts(data, lambda: text.CountVectorizer()),
        "TfidfVectorizer": texts(data, lambda: text.TfidfVectorizer())
        + [(f"/{k}", m[0][1]) for k, m in {
            "bigrams": texts(data, lambda: text.TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)),
            "characters": texts(data, lambda: text.CountVectorizer(analyzer="char", ngram_range=(1, 3))),
            "case": texts(data, lambda: text.CountVectorizer(lowercase=False, binary=True)),
            "stop": texts(data, lambda: text.TfidfVectorizer(stop_words=["the"], norm="l1")),
            "pattern": texts(data, lambda: text.CountVectorizer(token_pattern="[a-z]+")),
        }.items()],
        "TfidfTransformer": transformer(lambda: text.TfidfTransformer(), x=data.counts.astype(np.float32)),
        "FeatureHasher": [("", lambda: (feature_extraction.FeatureHasher(8, input_type="string", dtype=np.float32).fit(
            data.colours), data.colours))],
        "DictVectorizer": [("", lambda: (feature_extraction.DictVectorizer(sparse=False).fit(
            [{"a": 1.0, "b": 2.0}, {"b": 3.0, "c": 1.0}]), [{"a": 4.0}, {"c": 2.0, "b": 1.0}]))],
        "FeatureUnion": transformer(lambda: pipeline.FeatureUnion(
            [("a", preprocessing.StandardScaler()), ("b", decomposition.PCA(2))])),
        "FunctionTransformer": transformer(lambda: preprocessing.FunctionTransformer()),
        "GaussianMixture": [(f"/{kind}", lambda kind=kind: (
            mixture.GaussianMixture(3, covariance_type=kind, random_state=0).fit(x), x))
            for kind in ("full", "tied", "diag", "spherical")],
        "GaussianProcessRegressor": [(f"/{name}", lambda kernel=kernel: (
            gaussian_process.GaussianProcessRegressor(kernel, alpha=10.0).fit(x, data.target), x)) for name, kernel in {
                "rbf": kernels.RBF(), "matern": kernels.Matern(nu=1.5), "dot": kernels.DotProduct(),
                "quadratic": kernels.RationalQuadratic(), "sine": kernels.ExpSineSquared(),
                "sum": kernels.ConstantKernel() * kernels.RBF() + kernels.WhiteKernel()}.items()],
        "GaussianProcessClassifier": classifier(lambda: gaussian_process.GaussianProcessClassifier(kernels.RBF())),
        "GenericUnivariateSelect": transformer(lambda: feature_selection.GenericUnivariateSelect(param=60)),
        "GradientBoostingClassifier": classifier(lambda: ensemble.GradientBoostingClassifier(n_estimators=8)),
        "GradientBoostingRegressor": regressor(lambda: ensemble.GradientBoostingRegressor(n_estimators=8)),
        "GridSearchCV": classifier(lambda: model_selection.GridSearchCV(logistic(), {"C": [0.1, 1]}, cv=2)),
        "RandomizedSearchCV": classifier(lambda: model_selection.RandomizedSearchCV(
            logistic(), {"C": [0.1, 1]}, n_iter=2, cv=2)),
        "TunedThresholdClassifierCV": classifier(
            lambda: model_selection.TunedThresholdClassifierCV(logistic(), cv=2), ["/binary"]),
        "FixedThresholdClassifier": classifier(
            lambda: model_selection.FixedThresholdClassifier(logistic(), threshold=0.4), ["/binary"]),
        "HistGradientBoostingClassifier": classifier(lambda: ensemble.HistGradientBoostingClassifier(max_iter=8))
        + [("/missing", lambda: (ensemble.HistGradientBoostingClassifier(max_iter=8).fit(holes, y), holes))],
        "HistGradientBoostingRegressor": regressor(lambda: ensemble.HistGradientBoostingRegressor(max_iter=8))
        + [("/missing", lambda: (ensemble.HistGradientBoostingRegressor(max_iter=8).fit(holes, data.target), holes))],
        "KBinsDiscretizer": [(f"/{code}", lambda code=code: (preprocessing.KBinsDiscretizer(
            3, encode=code, quantile_method="averaged_inverted_cdf").fit(x), x)) for code in ("onehot-dense", "ordinal")],
        "KMeans": transformer(lambda: cluster.KMeans(3, n_init=1, random_state=0)),
        "MiniBatchKMeans": transformer(lambda: cluster.MiniBatchKMeans(3, n_init=1, random_state=0)),
        "KNNImputer": transformer(lambda: impute.KNNImputer(n_neighbors=2), x=holes),
        "KNeighborsClassifier": classifier(neighbors.KNeighborsClassifier)
        + [(f"/{metric}", lambda metric=metric: (
            neighbors.KNeighborsClassifier(3, weights="distance", metric=metric).fit(x, y), x))
            for metric in ("manhattan", "euclidean", "chebyshev", "cosine")],
        "KernelCenterer": transformer(preprocessing.KernelCenterer, x=(x[:ROWS] @ x[:ROWS].T), target=None),
        "KernelPCA": [(f"/{kernel}", lambda kernel=kernel: (
            decomposition.KernelPCA(2, kernel=kernel, gamma=0.01, random_state=0).fit(x), x))
            for kernel in ("linear", "rbf", "poly", "sigmoid", "cosine")],
        "LabelBinarizer": [("", lambda: (preprocessing.LabelBinarizer().fit(y), y.reshape(-1, 1)))],
        "LabelEncoder": [
            ("", lambda: (preprocessing.LabelEncoder().fit(y), y.reshape(-1, 1))),
            ("/words", lambda: (preprocessing.LabelEncoder().fit(words), words.reshape(-1, 1)))],
        "LocalOutlierFactor": transformer(lambda: neighbors.LocalOutlierFactor(novelty=True), target=None),
        "LogisticRegressionCV": classifier(lambda: linear_model.LogisticRegressionCV(Cs=2, cv=2)),
        "MLPClassifier": classifier(lambda: neural_network.MLPClassifier((8,), max_iter=30, random_state=0))
        + small(neural_network.MLPClassifier, activation=["logistic", "tanh", "identity"]),
        "MLPRegressor": regressor(lambda: neural_network.MLPRegressor(hidden_layer_sizes=(8,), max_iter=30, random_state=0)),
        "MultiOutputClassifier": [("", lambda: (multioutput.MultiOutputClassifier(logistic()).fit(
            x, np.stack([y, data.binary], axis=1)), x))],
        "MultiOutputRegressor": regressor(lambda: multioutput.MultiOutputRegressor(linear_model.Ridge()), two_targets),
        "MultiTaskElasticNet": regressor(linear_model.MultiTaskElasticNet, two_targets),
        "MultiTaskElasticNetCV": regressor(lambda: linear_model.MultiTaskElasticNetCV(alphas=3, cv=2), two_targets),
        "MultiTaskLasso": regressor(linear_model.MultiTaskLasso, two_targets),
        "MultiTaskLassoCV": regressor(lambda: linear_model.MultiTaskLassoCV(alphas=3, cv=2), two_targets),
        "NearestNeighbors": transformer(lambda: neighbors.NearestNeighbors(n_neighbors=3), target=None),
        "NuSVC": classifier(lambda: svm.NuSVC(nu=0.1))
        + [("/probability", lambda: (svm.NuSVC(nu=0.1, probability=True).fit(x, y), x))],
        "SVC": classifier(svm.SVC)
        + [(f"/{kernel}{label}", lambda kernel=kernel, labels=labels: (
            svm.SVC(kernel=kernel, probability=True, coef0=0.3).fit(x, labels), x))
            for kernel in ("linear", "poly", "rbf", "sigmoid") for label, labels in (("", y), ("/binary", data.binary))]
        + [("/ovo", lambda: (svm.SVC(decision_function_shape="ovo").fit(x, y), x))],
        "SVR": [(f"/{kernel}", lambda kernel=kernel: (svm.SVR(kernel=kernel, C=0.1).fit(x, data.target), x))
                for kernel in ("linear", "poly", "rbf", "sigmoid")],
        "OneHotEncoder": [
            ("", lambda: (preprocessing.OneHotEncoder(sparse_output=False, handle_unknown="ignore").fit(data.counts),
                          data.counts)),
            ("/words", lambda: (preprocessing.OneHotEncoder(sparse_output=False, drop="first").fit(data.colours),
                                data.colours))],
        "OrdinalEncoder": [
            ("", lambda: (preprocessing.OrdinalEncoder().fit(data.counts), data.counts)),
            ("/words", lambda: (preprocessing.OrdinalEncoder().fit(data.colours), data.colours))],
        "TargetEncoder": [
            ("", lambda: (preprocessing.TargetEncoder(cv=2).fit(data.counts, data.target), data.counts)),
            ("/words", lambda: (preprocessing.TargetEncoder(cv=2).fit(data.colours, data.target), data.colours))],
        "OneVsOneClassifier": classifier(lambda: multiclass.OneVsOneClassifier(logistic())),
        "OneVsRestClassifier": classifier(lambda: multiclass.OneVsRestClassifier(logistic()))
        + [("/trees", lambda: (multiclass.OneVsRestClassifier(tree.DecisionTreeClassifier(max_depth=2)).fit(x, y), x))],
        "PLSRegression": regressor(lambda: cross_decomposition.PLSRegression(2), two_targets),
        "Pipeline": classifier(lambda: pipeline.make_pipeline(preprocessing.StandardScaler(), logistic())),
        "PowerTransformer": transformer(preprocessing.PowerTransformer) + [
            ("/box-cox", lambda: (preprocessing.PowerTransformer(method="box-cox").fit(np.abs(x) + 0.1),
                                  np.abs(x) + np.float32(0.1)))],
        "PolynomialFeatures": transformer(lambda: preprocessing.PolynomialFeatures(3)),
        "QuantileTransformer": transformer(lambda: preprocessing.QuantileTransformer(n_quantiles=20)),
        "QuantileRegressor": regressor(lambda: linear_model.QuantileRegressor(solver="highs")),
        "RadiusNeighborsClassifier": classifier(lambda: neighbors.RadiusNeighborsClassifier(3.0)),
        "RadiusNeighborsRegressor": regressor(lambda: neighbors.RadiusNeighborsRegressor(3.0)),
        "RandomForestClassifier": classifier(lambda: ensemble.RandomForestClassifier(20, random_state=0)),
        "RandomForestRegressor": regressor(lambda: ensemble.RandomForestRegressor(20, random_state=0))
        + [("/two", lambda: (ensemble.RandomForestRegressor(5, random_state=0).fit(x, two_targets), x))],
        "ExtraTreesClassifier": classifier(lambda: ensemble.ExtraTreesClassifier(20, random_state=0)),
        "ExtraTreesRegressor": regressor(lambda: ensemble.ExtraTreesRegressor(20, random_state=0)),
        "RandomTreesEmbedding": transformer(lambda: ensemble.RandomTreesEmbedding(
            4, max_depth=3, sparse_output=False, random_state=0)),
        "IsolationForest": transformer(lambda: ensemble.IsolationForest(n_estimators=10, random_state=0), target=None),
        "RANSACRegressor": regressor(lambda: linear_model.RANSACRegressor(random_state=0)),
        "RFE": transformer(lambda: feature_selection.RFE(logistic(), n_features_to_select=2)),
        "RFECV": transformer(lambda: feature_selection.RFECV(logistic(), cv=2)),
        "SelectFromModel": transformer(lambda: feature_selection.SelectFromModel(logistic())),
        "SelectKBest": transformer(lambda: feature_selection.SelectKBest(k=2)),
        "SelectPercentile": transformer(lambda: feature_selection.SelectPercentile(percentile=50)),
        "SimpleImputer": [
            ("", lambda: (impute.SimpleImputer().fit(holes), holes)),
            ("/int64", lambda: (impute.SimpleImputer(missing_values=3, strategy="most_frequent").fit(data.integers),
                                data.integers)),
            ("/words", lambda: (impute.SimpleImputer(missing_values="red", strategy="most_frequent").fit(
                data.colours.astype(object)), data.colours))],
        "GaussianRandomProjection": transformer(lambda: random_projection.GaussianRandomProjection(2, random_state=0)),
        "StackingClassifier": classifier(lambda: ensemble.StackingClassifier(votes, cv=2)),
        "StackingRegressor": regressor(lambda: ensemble.StackingRegressor(regressors, cv=2)),
        "VotingClassifier": [(f"/{voting}", lambda voting=voting: (
            ensemble.VotingClassifier(votes, voting=voting).fit(x, y), x)) for voting in ("hard", "soft")],
        "VotingRegressor": regressor(lambda: ensemble.VotingRegressor(regressors)),
        "SGDClassifier": [(f"/{loss}{label}", lambda loss=loss, labels=labels: (
            linear_model.SGDClassifier(loss=loss, random_state=0).fit(x, labels), x))
            for loss in ("hinge", "log_loss", "modified_huber") for label, labels in (("", y), ("/binary", data.binary))],
        "TruncatedSVD": transformer(lambda: decomposition.TruncatedSVD(2, random_state=0)),
        "PCA": transformer(lambda: decomposition.PCA(2)) + small(decomposition.PCA, whiten=[True]),
        "TweedieRegressor": [(f"/{power}", lambda power=power: (
            linear_model.TweedieRegressor(power=power).fit(x, data.target), x)) for power in (0, 1, 2)],
        "QuadraticDiscriminantAnalysis": classifier(
            lambda: __import__("sklearn.discriminant_analysis", fromlist=["x"]).QuadraticDiscriminantAnalysis()),
    }


def texts(data, make):
    def fit():
        model = make()
        return model.fit(data.texts.ravel()), data.texts
    return [("", fit)]


# --- pipelines and other libraries --------------------------------------------------------------------------------


def pipelines(data):
    """(family, model, inputs as a dictionary) for pipelines with several inputs."""
    import numpy as np
    from sklearn import compose, ensemble, feature_extraction, impute, linear_model, naive_bayes, pipeline, preprocessing
    from sklearn.feature_extraction import text

    import pandas  # noqa: F401  skl2onnx's ColumnTransformer of named columns needs it

    columns = {"age": data.x[:, :1], "size": data.x[:, 1:2], "visits": data.integers[:, :1],
               "colour": data.colours[:, :1], "shape": data.colours[:, 1:]}
    frame = pandas.DataFrame({name: column.ravel() for name, column in columns.items()})
    for step, model in {
        "logistic": linear_model.LogisticRegression(), "forest": ensemble.RandomForestClassifier(5, random_state=0),
    }.items():
        prepared = compose.ColumnTransformer([
            ("numbers", pipeline.make_pipeline(impute.SimpleImputer(), preprocessing.StandardScaler()), ["age", "size"]),
            ("integers", preprocessing.StandardScaler(), ["visits"]),
            ("words", preprocessing.OneHotEncoder(handle_unknown="ignore"), ["colour", "shape"])])
        yield (f"pipeline/columns/{step}", lambda prepared=prepared, model=model: (
            pipeline.Pipeline([("prepare", prepared), ("model", model)]).fit(frame, data.words), columns))
    for step, model in {
        "logistic": linear_model.LogisticRegression(), "bayes": naive_bayes.MultinomialNB(),
        "sgd": linear_model.SGDClassifier(random_state=0)}.items():
        yield (f"pipeline/text/{step}", lambda model=model: (
            pipeline.make_pipeline(text.TfidfVectorizer(), model).fit(data.texts.ravel(), data.words), data.texts))
    yield ("pipeline/text/union", lambda: (pipeline.make_pipeline(
        compose.ColumnTransformer([("a", text.CountVectorizer(), 0), ("b", text.TfidfVectorizer(ngram_range=(1, 2)), 0)]),
        linear_model.LogisticRegression()).fit(data.texts, data.binary), data.texts))


def boosters(data):
    """(family, model as ONNX, inputs) of XGBoost and LightGBM through onnxmltools."""
    import lightgbm
    import numpy as np
    import xgboost
    from onnxmltools import convert_lightgbm, convert_xgboost
    from onnxmltools.convert.common.data_types import FloatTensorType

    holes = data.x.copy()
    holes[::4, 2] = np.nan
    kind = [("input", FloatTensorType([None, data.x.shape[1]]))]
    targets = {"": data.classes, "/binary": data.binary}
    for label, target in targets.items():
        yield (f"XGBClassifier{label}", lambda target=target: convert_xgboost(
            xgboost.XGBClassifier(n_estimators=8, max_depth=3).fit(holes, target), initial_types=kind), holes)
        for zipmap in (True, False):
            yield (f"LGBMClassifier{label}/zipmap={zipmap}", lambda target=target, zipmap=zipmap: convert_lightgbm(
                lightgbm.LGBMClassifier(n_estimators=8, verbose=-1).fit(data.x, target), initial_types=kind,
                zipmap=zipmap), data.x)
    yield ("XGBRFClassifier", lambda: convert_xgboost(
        xgboost.XGBRFClassifier(n_estimators=8).fit(data.x, data.classes), initial_types=kind), data.x)
    for objective in ("reg:squarederror", "reg:logistic", "count:poisson", "reg:gamma"):
        scale = data.target / data.target.max() if "logistic" in objective else data.target
        yield (f"XGBRegressor/{objective}", lambda objective=objective, scale=scale: convert_xgboost(
            xgboost.XGBRegressor(n_estimators=8, objective=objective).fit(data.x, scale), initial_types=kind), data.x)
    yield ("XGBRFRegressor", lambda: convert_xgboost(
        xgboost.XGBRFRegressor(n_estimators=8).fit(data.x, data.target), initial_types=kind), data.x)
    for objective in ("regression", "poisson", "quantile", "tweedie"):
        yield (f"LGBMRegressor/{objective}", lambda objective=objective: convert_lightgbm(
            lightgbm.LGBMRegressor(n_estimators=8, verbose=-1, objective=objective).fit(data.x, data.target),
            initial_types=kind), data.x)
    yield ("LGBMRegressor/categories", lambda: convert_lightgbm(
        lightgbm.LGBMRegressor(n_estimators=8, verbose=-1, min_child_samples=2).fit(
            data.counts, data.target, categorical_feature=[0, 1]), initial_types=kind), data.counts.astype(np.float32))
