"""The command line as a person uses it: files of every kind in, codes, models and pages out, and errors without a traceback."""

import io
import json
import subprocess
import sys

import anndata
import numpy as np
import pandas
import pytest
import scipy.io
import scipy.sparse

import hntf
from hntf.command.app import run
from hntf.datasets import make_hierarchical_blocks, make_hierarchical_tensor
from tests.topics.test_topic_model import corpus

X, CLASSES, GROUPS, _ = make_hierarchical_blocks(random_state=0)
NAMES, FEATURES = [f"s{i}" for i in range(90)], [f"gene{i}" for i in range(87)]
FRAME = pandas.DataFrame(X, NAMES, FEATURES)


def as_h5ad(path, matrix):
    anndata.AnnData(matrix, obs=pandas.DataFrame(index=NAMES), var=pandas.DataFrame(index=FEATURES)).write_h5ad(path)


WRITERS = {
    "x.csv": FRAME.to_csv,
    "x.tsv": lambda path: FRAME.to_csv(path, sep="\t"),
    "x.parquet": lambda path: FRAME.reset_index().to_parquet(path),
    "x.npy": lambda path: np.save(path, X),
    "dense.npz": lambda path: np.savez(path, x=X),
    "sparse.npz": lambda path: scipy.sparse.save_npz(path, scipy.sparse.csc_array(X)),
    "x.mat": lambda path: scipy.io.savemat(path, {"x": X, "author": "somebody"}),
    "sparse.mat": lambda path: scipy.io.savemat(path, {"x": scipy.sparse.csc_matrix(X)}),
    "dense.h5ad": lambda path: as_h5ad(path, X),
    "rows.h5ad": lambda path: as_h5ad(path, scipy.sparse.csr_matrix(X)),
    "columns.h5ad": lambda path: as_h5ad(path, scipy.sparse.csc_matrix(X)),
}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def done(*arguments):
    assert run(list(map(str, arguments))) == 0


@pytest.mark.slow
@pytest.mark.parametrize("name", WRITERS)
def test_every_kind_of_file_gives_the_same(name, folder, capsys):
    WRITERS[name](folder / name)
    done("fit", name, "--ranks", "9,4,2", "-o", "model", "-c", "codes.csv", "--words", 3)
    expected = hntf.NeuralNMF((9, 4, 2), random_state=0).fit(X)
    codes = pandas.read_csv("codes.csv", index_col=0)
    np.testing.assert_allclose(codes.to_numpy(), expected.codes_[0], rtol=1e-6, atol=1e-8)
    named = (name.startswith("x.") and name[2:] in ("csv", "tsv", "parquet")) or name.endswith("h5ad")
    assert codes.index[3] == ("s3" if named else 3)
    assert ("gene" in capsys.readouterr().out) == named
    done("transform", "model", name, "-o", "new.npy", "--level", 1)
    np.testing.assert_allclose(np.load("new.npy"), expected.transform(X, level=1), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("kind", ["csv", "tsv", "parquet", "npy"])
def test_every_kind_of_codes(kind, folder):
    FRAME.to_csv("x.csv")
    done("fit", "x.csv", "-r", "4", "-c", f"codes.{kind}", "-q")
    expected = hntf.NeuralNMF((4,), random_state=0).fit(X).codes_[0]
    readers = {"csv": pandas.read_csv, "tsv": lambda p: pandas.read_csv(p, sep="\t"), "parquet": pandas.read_parquet}
    found = np.load("codes.npy") if kind == "npy" else readers[kind](f"codes.{kind}").set_index("sample").to_numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-10)


def test_labels_in_a_column_and_in_a_file(folder, capsys):
    kinds = np.array(list("abcd"))[GROUPS]
    FRAME.assign(kind=kinds).to_csv("x.csv")
    FRAME.to_csv("new.csv")
    (folder / "kinds.txt").write_text("".join("\n" if i % 2 else f"{kind}\n" for i, kind in enumerate(kinds)))
    for labels, table in (("kind", "x.csv"), ("kinds.txt", "new.csv")):
        done("fit", table, "-r", "9,4", "--labels", labels, "-o", "model", "-q")
        capsys.readouterr()
        done("transform", "model", "new.csv", "--predict")
        lines = capsys.readouterr().out.splitlines()
        assert lines[0] == "sample,class"
        assert [line.split(",")[1] for line in lines[1:]] == list(kinds)


def test_texts_from_a_directory_and_a_column(folder, capsys):
    texts, classes = corpus(80)
    pandas.DataFrame({"text": texts, "kind": classes}).to_csv("texts.csv", index=False)
    for i, text in enumerate(texts):
        (folder / "texts").mkdir(exist_ok=True)
        (folder / "texts" / f"{i:02}.txt").write_text(text)
    done("fit", "texts.csv", "--text", "text", "--labels", "kind", "-r", "4,2", "-o", "column", "-q")
    done("fit", "texts", "-r", "4,2", "-o", "directory", "--report", "report.html")
    assert "apple" in capsys.readouterr().out
    assert "violin" in (folder / "report.html").read_text()
    done("transform", "column", "texts", "--predict")
    assert [line.split(",")[1] for line in capsys.readouterr().out.splitlines()[1:]] == classes
    done("transform", "directory", "texts", "--proportions", "--level", 0)
    line = capsys.readouterr().out.splitlines()[1].split(",")
    assert line[0] == "00"
    assert sum(map(float, line[1:])) == pytest.approx(1, abs=1e-4)
    done("ranks", "texts", "--candidates", "4", "--criterion", "bic")
    assert "hntf fit texts --ranks 4" in capsys.readouterr().out


def test_a_tensor_and_its_page(folder, capsys):
    np.save("t.npy", make_hierarchical_tensor(noise=0.1, random_state=0).X[:20, :20, :20])
    done("fit", "t.npy", "-r", "4,2", "--report", "page.html", "--set", "max_iter=30", "-o", "model")
    assert "mode 2" in capsys.readouterr().out
    assert (folder / "page.html").read_text().count('"mode":') == 2
    done("fit", "t.npy", "-r", "4x4,2x2", "-m", "NeuralNTF", "--set", "max_iter=30", "-q")
    done("show", "model", "--json")
    assert len(json.loads(capsys.readouterr().out)["trees"]) == 2


def test_a_model_is_shown(folder, capsys):
    FRAME.to_csv("x.csv")
    done("fit", "x.csv", "-r", "9,4", "-o", "model", "-q")
    assert capsys.readouterr().out == ""
    done("show", "model", "--words", 2)
    printed = capsys.readouterr().out
    assert "gene" in printed and "0.0" in printed  # noqa: PT018
    done("show", "model", "--html", "page.html", "--csv", "tree.csv")
    assert len(pandas.read_csv("tree.csv")) == 13
    assert "gene" in (folder / "page.html").read_text()


CSVS = {
    "index": (lambda path: pandas.DataFrame(X).to_csv(path), X.shape),
    "no header": (lambda path: pandas.DataFrame(X).to_csv(path, index=False, header=False), X.shape),
    "semicolons": (lambda path: FRAME.to_csv(path, sep=";"), X.shape),
    "decimal commas": (lambda path: FRAME.to_csv(path, sep=";", decimal=","), X.shape),
    "tabs": (lambda path: FRAME.to_csv(path, sep="\t", index=False), X.shape),
    "one row": (FRAME[:1].to_csv, (1, 87)),
    "commas in names": (lambda path: FRAME.rename(index={"s0": 'x, "y"'}).to_csv(path), X.shape),
}


@pytest.mark.parametrize("kind", CSVS)
def test_tables_as_programs_write_them(kind, folder, capsys):
    write, shape = CSVS[kind]
    write("x.csv")
    done("fit", "x.csv", "-r", "3", "-o", "model", "-q", "--set", "max_iter=5", "--set", "tol=1")
    loaded = hntf.load("model")
    assert loaded.feature_shape_ == shape[1:]
    capsys.readouterr()
    done("transform", "model", "x.csv", "--level", "all", "--proportions")
    printed = pandas.read_csv(io.StringIO(capsys.readouterr().out), index_col=0)
    assert printed.shape == (shape[0], 3)
    np.testing.assert_allclose(printed.to_numpy(), loaded.proportions(X[: shape[0]]), atol=1e-5)
    if kind == "commas in names":
        assert printed.index[0] == 'x, "y"'


def test_new_samples_may_have_more_columns(folder, capsys):
    FRAME.to_csv("x.csv")
    FRAME[FRAME.columns[::-1]].assign(kind="a").to_csv("more.csv")
    done("fit", "x.csv", "-r", "3", "-o", "model", "-q", "--set", "max_iter=5", "--set", "tol=1")
    done("transform", "model", "x.csv", "-o", "one.npy")
    done("transform", "model", "more.csv", "-o", "other.npy")
    np.testing.assert_array_equal(np.load("one.npy"), np.load("other.npy"))


def test_missing_entries_and_settings(folder, capsys):
    frame = FRAME.copy()
    frame.iloc[3, 4] = np.nan
    frame.to_csv("x.csv")
    assert run(["fit", "x.csv", "-r", "4"]) == 1
    assert "Error: X contains NaN" in capsys.readouterr().err
    done(
        "fit",
        "x.csv",
        "-r",
        "4",
        "--missing",
        "--set",
        "max_iter=7",
        "--set",
        "init=nndsvd",
        "-o",
        "model",
        "-m",
        "NMF",
    )
    assert "Note: the fit stopped after 7 iterations" in capsys.readouterr().err
    assert hntf.load("model").init == "nndsvd"
    done("transform", "model", "x.csv", "--missing", "-o", "codes.csv")


@pytest.mark.slow
def test_ranks_are_recommended(folder, capsys):
    FRAME.to_csv("x.csv")
    done("ranks", "x.csv", "--plot", "ranks.png")
    assert "hntf fit x.csv --ranks 9,4,2" in capsys.readouterr().out
    assert (folder / "ranks.png").stat().st_size > 1000
    done("fit", "x.csv", "-r", "auto", "-q", "-o", "model")
    assert hntf.load("model").n_components == (9, 4, 2)


FAULTS = {
    "fit none.csv -r 4": (2, "does not exist"),
    "fit x.csv": (2, "--ranks is missing"),
    "fit x.csv -r four": (2, "'four' is not a list such as 20,8,3"),
    "fit x.csv -r 4 --set max_itr=3": (2, "NeuralNMF has no parameter 'max_itr'; it has batch_size"),
    "fit x.csv -r 4 --set max_iter": (2, "is not NAME=VALUE"),
    "fit x.csv -r 4 --set tol=-1": (1, "tol must be"),
    "fit x.csv -r 4 --model Other": (2, "'Other' is not one of"),
    "fit x.csv -r 4 -o none/model": (2, "not in a folder that exists"),
    "fit x.csv -r 4 -c codes.xls": (1, "codes are written to .csv"),
    "fit x.csv -r 4 -y kind": (1, "no column 'kind'; its columns are"),
    "fit x.csv --text kind": (1, "no column 'kind'"),
    "fit words.csv -r 2": (1, "columns that are no numbers: b"),
    "fit negative.csv -r 2": (1, "Negative values"),
    "fit x.doc -r 2": (1, "x.doc is of a kind that is not known; known are .csv"),
    **{
        f"fit broken.{kind} -r 2": (1, f"broken.{kind} cannot be read as")
        for kind in ("npy", "npz", "mat", "h5", "parquet")
    },
    "fit two.npz -r 2": (1, "has 2 arrays (a, b): name one with --variable"),
    "fit two.npz -r 2 --variable c": (1, "no array 'c'"),
    "fit empty -r 2": (1, "found none in"),
    "fit words.csv --text a --missing": (2, "--missing is for numbers"),
    "show x.csv": (1, "must be a file that model.save wrote"),
    "show none": (1, "No such file"),
    "transform model small.csv": (1, "features"),
    "transform model x.csv --level 9": (1, "level must be an integer from -1 to 0"),
    "transform model x.csv --predict": (1, "predicts no classes: it is a NeuralNMF"),
    "fit x.csv -m NMF -r 2 -y kinds.txt": (2, "NMF takes no labels"),
    "fit empty -y kind": (1, "--labels kind names a column of a table"),
    "fit x.csv -r 2 --variable q": (1, "--variable names an array"),
    "fit x.csv -r 2 --words 0": (2, "0 is not in the range"),
    "fit header.csv -r 2": (1, "0 rows"),
    "ranks x.csv --plot none/r.png": (2, "not in a folder that exists"),
    "transform model empty": (1, "found none in"),
    "ranks x.csv -r a": (2, "is not a list such as"),
    "ranks x.csv --criterion best": (1, "criterion must be"),
    "other": (2, "No such command 'other'"),
}


@pytest.mark.parametrize("line", FAULTS)
def test_faults_end_with_a_code_and_a_sentence(line, folder, capsys):
    FRAME.to_csv("x.csv")
    FRAME.iloc[:, :5].to_csv("small.csv")
    pandas.DataFrame({"a": ["x", "y"], "b": ["x", "y"], "c": [1, 2]}).to_csv("words.csv", index=False)
    (-FRAME).to_csv("negative.csv")
    for name in ("x.doc", *(f"broken.{kind}" for kind in ("npy", "npz", "mat", "h5", "parquet"))):
        (folder / name).write_bytes(b"not what it should be")
    np.savez("two.npz", a=X, b=X)
    (folder / "empty").mkdir()
    (folder / "header.csv").write_text("a,b,c\n")
    (folder / "kinds.txt").write_text("a\nb\n" * 45)
    hntf.NeuralNMF((3,), max_iter=5, tol=1, random_state=0).fit(X).save("model")
    code, message = FAULTS[line]
    assert run(line.split()) == code
    captured = capsys.readouterr()
    assert message in captured.err
    assert "Error: " in captured.err
    assert "Traceback" not in captured.err


def test_help_and_the_installed_program(capsys):
    for command in ("fit", "transform", "show", "ranks"):
        assert run([command, "--help"]) == 0
        assert "Examples:" in capsys.readouterr().out
    found = subprocess.run(
        [sys.executable, "-c", "from hntf.command import main; main()", "fit", "none"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 2
    assert "does not exist" in found.stderr
