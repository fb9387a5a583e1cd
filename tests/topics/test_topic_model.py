"""From documents to topics: every kind of input, what a fitted model tells, classes, updates, files, and what is refused."""

import pickle
import warnings

import numpy as np
import pandas
import polars
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline

import hntf
from hntf.topics import TopicModel, read_directory

WORDS = {
    "fruit": ["apple", "pear", "plum", "cherry", "peach", "grape", "melon", "lemon"],
    "cars": ["engine", "wheel", "brake", "gear", "motor", "road", "tyre", "clutch"],
    "music": ["violin", "piano", "chord", "melody", "rhythm", "opera", "drum", "flute"],
    "maths": ["matrix", "vector", "tensor", "kernel", "proof", "lemma", "norm", "rank"],
}


def corpus(n=120, seed=0):
    """Draw documents of eight words, seven of which are from the words of the document's class."""
    rng = np.random.default_rng(seed)
    classes = [list(WORDS)[i % 4] for i in range(n)]
    everything = [word for words in WORDS.values() for word in words]
    texts = [" ".join([*rng.choice(WORDS[c], 7), rng.choice(everything)]) for c in classes]
    return texts, classes


@pytest.fixture(scope="module")
def fitted():
    texts, classes = corpus()
    return (
        TopicModel((4, 2), random_state=0).fit(texts, classes, names=[f"text{i}" for i in range(120)]),
        texts,
        classes,
    )


def test_topics_are_the_classes(fitted):
    model, texts, classes = fitted
    found = model.proportions(texts).argmax(axis=1)
    assert all(len(set(found[i::4])) == 1 for i in range(4))
    assert len(set(found[:4])) == 4
    for topic in model.tree().levels[0]:
        of_class = classes[list(found).index(topic.index)]
        assert set(topic.words) <= set(WORDS[of_class])
        names = [name for name, _ in model.documents_of(topic.index)]
        assert all(classes[int(name[4:])] == of_class for name in names)
        assert names[:5] == [name for name, _ in topic.samples]
    assert (model.predict(texts) == classes).all()
    assert model.score(corpus(40, 1)[0], corpus(40, 1)[1]) > 0.95


def test_proportions_are_of_mass_not_of_codes(fitted):
    model, texts, _ = fitted
    S, components = model.transform(texts, 0), model.hierarchy_.components_[0]
    np.testing.assert_allclose(
        model.proportions(texts), S * components.sum(1) / (S @ components).sum(1)[:, None], rtol=1e-6
    )
    assert (model.proportions(["nothing that is known"]) == 0).all()


def test_every_kind_of_input_is_the_same(tmp_path):
    texts, _ = corpus(60)
    expected = TopicModel((4,), random_state=0).fit(texts).codes_[0]
    for i, text in enumerate(texts):
        folder = tmp_path / f"folder{i // 20}"
        folder.mkdir(exist_ok=True)
        (folder / f"{i:03}.txt").write_text(text, encoding="utf-8")
    (tmp_path / "picture.png").write_bytes(b"\xff\x00")
    frame = pandas.DataFrame({"text": texts}, index=[f"row{i}" for i in range(60)])
    for documents, name in (
        (tuple(texts), "59"),
        (np.array(texts), "59"),
        (frame["text"], "row59"),
        (polars.Series(texts), "59"),
        (tmp_path, "folder2/059"),
        (str(tmp_path), "folder2/059"),
        (read_directory(tmp_path), "folder2/059"),
    ):
        model = TopicModel((4,), random_state=0).fit(documents)
        np.testing.assert_array_equal(model.codes_[0], expected)
        assert model.names_[-1] == name


def test_over_time(fitted):
    model, _, classes = fitted
    years = np.repeat([2001, 2002, 2003], 40)
    table = model.over_time(years, level=0)
    assert table["period"] == ["2001", "2002", "2003"]
    assert table["documents"] == [40, 40, 40]
    shares = np.array([list(row.values())[2:] for row in table])
    np.testing.assert_allclose(shares.sum(axis=1), 1.0)
    amounts = model.codes_[0][:40] * model.hierarchy_.components_[0].sum(1)
    np.testing.assert_allclose(shares[0], amounts.sum(0) / amounts.sum())
    largest = [max(list(row.values())[2:]) for row in model.over_time(classes, level=0)]
    assert min(largest) > 0.8
    dates = np.datetime64("2020-01-01") + np.arange(120)
    assert model.over_time(dates, bins=2)["documents"] == [60, 60]
    assert len(model.over_time(dates, bins=2).to_pandas()) == 2
    with pytest.raises(ValueError, match="one time a document, 120"):
        model.over_time([1, 2])
    with pytest.raises(ValueError, match="bins needs times"):
        model.over_time(classes, bins=2)


def test_few_labels_and_unknown_ones():
    texts, classes = corpus(200)
    known = [label if i < 12 else None for i, label in enumerate(classes)]
    for label_topics in (False, True):
        model = TopicModel((4, 2), label_topics=label_topics, random_state=0).fit(texts, known)
        assert model.score(texts, classes) > 0.9
        assert model.score(texts, known) == 1.0  # of the documents that are known
        assert set(model.classes_) == set(WORDS)
    scores = model.decision_function(texts[:3])
    assert scores.shape == (3, 4)
    two = TopicModel((4,), random_state=0).fit(
        texts, [label if label in ("fruit", "cars") else -1 for label in classes]
    )
    assert two.decision_function(texts[:3]).shape == (3,)
    assert list(two.predict(texts[:2])) == ["fruit", "cars"]


def test_an_update_keeps_the_topics():
    texts, classes = corpus(120)
    new, new_classes = corpus(60, 1)
    model = TopicModel((4, 2), random_state=0).fit(texts, classes)
    before = model.hierarchy_.components_[0]
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        model.update(new, new_classes, names=[f"new{i}" for i in range(60)])
    after = model.hierarchy_.components_[0]
    cosines = (before * after).sum(1) / np.linalg.norm(before, axis=1) / np.linalg.norm(after, axis=1)
    assert cosines.min() > 0.95
    assert model.names_[-1] == "new59"
    assert len(model.codes_[0]) == 180
    assert model.hierarchy_.get_params()["init"] == "levels"
    assert model.score(new, new_classes) > 0.95


def test_an_update_says_what_turned_into_something_else():
    texts, classes = corpus(120)
    animals = [
        f"{a} {b} {c}" for a in ("zebra", "lion", "tiger") for b in ("zoo", "cage", "jungle") for c in ("lion", "cage")
    ]
    seen = [text for text, label in zip(texts, classes, strict=True) if label != "music"]
    model = TopicModel((3,), random_state=0).fit([*seen, "zebra lion tiger zoo cage jungle"] * 2)
    with pytest.warns(UserWarning, match="18 of 18 new documents are about none of the topics"):
        clone(model).fit([*seen, "zebra lion tiger zoo cage jungle"] * 2).update(animals)
    with pytest.warns(
        UserWarning, match=r"made topic \d of level 0 another one: it was about .*apple.*, and is about .*lion"
    ):
        model.update([f"{text} apple" for text in animals] * 40)


@pytest.mark.parametrize(
    "labels",
    [
        [None, "a", "b"],
        [float("nan"), 1, 2],
        [-1, np.int64(3), np.int64(4)],
        pandas.Series([pandas.NA, "x", "y"], dtype="string"),
        [True, False, None],
    ],
)
def test_labels_of_every_kind_come_back(tmp_path, labels):
    texts, _ = corpus(60)
    y = list(labels) * 20
    model = TopicModel((4,), model=hntf.HierarchicalNMF(max_iter=20), random_state=0).fit(texts, y)
    model.save(tmp_path / "topics", codes=True)
    loaded = hntf.load(tmp_path / "topics")
    assert list(loaded.predict(texts)) == list(model.predict(texts))
    assert loaded.classes_.tolist() == model.classes_.tolist()
    assert isinstance(loaded.model, hntf.HierarchicalNMF)
    assert loaded.model.max_iter == 20
    loaded.update(texts[:3], y[:3])
    assert loaded.classes_.tolist() == model.classes_.tolist()


def test_times_of_every_kind(fitted):
    model = fitted[0]
    days = pandas.date_range("2020-01-30", periods=120, tz="Europe/Paris")
    expected = model.over_time(days.tz_convert("UTC").tz_localize(None), bins=3).columns
    for times in (days, list(days), [day.to_pydatetime() for day in days]):
        assert model.over_time(times, bins=3).columns == expected
    assert model.over_time([day.date() for day in days], bins=3)["documents"] == [40, 40, 40]
    assert model.over_time(pandas.Series([9, 10, 11] * 40, dtype=object))["period"] == ["9.0", "10.0", "11.0"]
    for missing in (np.nan, None, pandas.NaT):
        with pytest.raises(ValueError, match="times must not be missing"):
            model.over_time([missing, *[2001.0] * 119], bins=2)
    with pytest.raises(ValueError, match="bins must be"):
        model.over_time(range(120), bins=0)


def test_topics_of_the_same_words_have_a_column_each():
    texts = ["apples pears plums"] * 10 + ["pears apples plums plums"] * 10
    model = TopicModel((6,), random_state=0).fit(texts)
    table = model.over_time([1] * 10 + [2] * 10, level=0)
    assert len(table.columns) == 8
    assert sum(list(next(iter(table)).values())[2:]) == pytest.approx(1)


@pytest.mark.parametrize("codes", [True, False])
def test_saved_and_loaded(fitted, tmp_path, codes):
    model, texts, classes = fitted
    model.save(tmp_path / "topics", codes=codes)
    loaded = hntf.load(tmp_path / "topics")
    np.testing.assert_array_equal(loaded.transform(texts), model.transform(texts))
    np.testing.assert_array_equal(loaded.predict(texts), model.predict(texts))
    assert str(loaded.tree()) == str(model.tree())
    assert loaded.get_params() == model.get_params()
    if codes:
        assert loaded.documents_of(0) == model.documents_of(0)
        assert loaded.tree().to_dict() == model.tree().to_dict()
        new = corpus(60, 1)
        np.testing.assert_allclose(
            loaded.update(*new).hierarchy_.components_[0],
            clone(model).fit(texts, classes).update(*new).hierarchy_.components_[0],
        )
    else:
        for call in (
            lambda: loaded.documents_of(0),
            lambda: loaded.update(texts),
            lambda: loaded.over_time(range(120)),
        ):
            with pytest.raises(ValueError, match="codes"):
                call()


def test_hostile_files_are_refused_or_whole(fitted, tmp_path):
    from tests.estimators.test_stored import hostile

    rng = np.random.default_rng(0)
    path = tmp_path / "topics"
    fitted[0].save(path, codes=True)
    content = path.read_bytes()
    for _ in range(150):
        path.write_bytes(hostile(content, rng))
        try:
            loaded = hntf.load(path)
        except ValueError as error:
            assert "path must be a file that model.save wrote" in str(error)  # noqa: PT017
        else:
            assert loaded.n_levels_ == len(loaded.codes_)


@pytest.mark.slow
def test_another_model_and_auto():
    texts, _ = corpus(80)
    model = TopicModel((4, 2), model=hntf.HierarchicalNMF(max_iter=50), random_state=0).fit(texts)
    assert isinstance(model.hierarchy_, hntf.HierarchicalNMF)
    assert model.hierarchy_.max_iter == 50
    assert TopicModel("auto", random_state=0).fit(texts).codes_[0].shape[1] >= 3
    assert TopicModel(3, random_state=0).fit(texts).n_levels_ == 1


def test_in_the_tools_of_scikit_learn():
    texts, classes = corpus(80)
    scores = cross_val_score(TopicModel((4, 2), random_state=0), texts, classes, cv=3)
    assert scores.min() > 0.9
    search = GridSearchCV(TopicModel(random_state=0), {"n_topics": [(2,), (4, 2)], "max_df": [0.9]}, cv=2).fit(
        texts, classes
    )
    assert search.best_score_ > 0.9
    pipeline = make_pipeline(TopicModel((4,), random_state=0), LogisticRegression()).fit(texts, classes)
    assert pipeline.score(texts, classes) > 0.9
    copy = pickle.loads(pickle.dumps(search.best_estimator_))
    assert list(copy.predict(texts)) == list(search.predict(texts))


def test_what_is_refused(fitted, tmp_path):
    model, texts, classes = fitted
    for documents, message in (
        ([], "at least one text"),
        ([1, 2], "texts, got int for document 0"),
        ([*texts, None], "texts, got NoneType for document 120"),
        ("one text alone", "path of a directory, got 'one text alone'"),
        (tmp_path, "found none in"),
        (pandas.DataFrame({"text": texts}), "one column of a data frame"),
        (["a", "b"], "words in common"),
    ):
        with pytest.raises((TypeError, ValueError), match=message):
            TopicModel((2,)).fit(documents)
    (tmp_path / "latin.txt").write_bytes("é".encode("latin-1"))
    with pytest.raises(ValueError, match=r"must be UTF-8 text, but .*latin\.txt"):
        TopicModel((2,)).fit(tmp_path)
    for call, message in (
        (lambda: model.documents_of(0, level=9), "level must be"),
        (lambda: model.documents_of("apple"), "topic must be"),
        (lambda: model.documents_of(0, n_documents=-1), "n_documents must be"),
        (lambda: TopicModel((2,)).fit({"a": "text"}), "dictionary"),
        (lambda: TopicModel((2,)).fit(texts, [1, "a"] * 60), "one kind"),
        (
            lambda: clone(model).fit(texts, classes).update(texts[:3], ["fruit"] * 2),
            "one class a new document, 3, got 2",
        ),
        (lambda: TopicModel(2, model=hntf.NCPD(), random_state=0).fit(texts).update(texts), "method for matrices"),
    ):
        with pytest.raises((TypeError, ValueError), match=message):
            call()
    for y, message in ((classes[:-1], "one class a document, 120"), (["a"] * 120, "at least two classes, got 1")):
        with pytest.raises(ValueError, match=message):
            TopicModel((2,)).fit(texts, y)
    with pytest.raises(ValueError, match="one name a document"):
        TopicModel((2,)).fit(texts, names=["a"])
    with pytest.raises(ValueError, match="min_df must be 'auto' or a number"):
        TopicModel((2,), min_df="few").fit(texts)
    with pytest.raises(ValueError, match="n_topics must be"):
        TopicModel("some").fit(texts)
    with pytest.raises(TypeError, match="model must be an estimator of hntf"):
        TopicModel((2,), model=3.0).fit(texts)
    with pytest.raises(ValueError, match="topic must be from 0 to 3"):
        model.documents_of(4)
    with pytest.raises(NotFittedError):
        TopicModel().transform(texts)
    with pytest.raises(NotFittedError, match="predict needs classes"):
        TopicModel((2,), random_state=0).fit(texts).predict(texts)
