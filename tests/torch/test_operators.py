"""The operators behind `torch.compile` and `torch.export`: their contract, and that compiled equals eager."""

import os
import shutil
import subprocess
import sys

import pytest
import torch
from torch.library import opcheck

import hntf
from hntf.torch import nnls, nnls_gram
from tests.torch.problems import K, M, N, detached, draw, options

pytestmark = pytest.mark.usefixtures("one_thread")

# The default backend compiles C++, which not every machine can; the traced operators are those of "aot_eager".
COMPILES_CPP = shutil.which("g++") or shutil.which("clang++")
BACKENDS = ["aot_eager", *([pytest.param("inductor", marks=pytest.mark.slow)] if COMPILES_CPP else [])]


@pytest.fixture(autouse=True)
def _fresh_compiler():
    torch._dynamo.reset()


def operands(name):
    """Return what the operator gets for a problem: `G` and `C` that require a gradient, and the factor behind them."""
    X, A = detached(*draw(2, (N, M), (M, K)))
    W, l1, l2 = (None if x is None else x.detach() for x in map(options(name).get, ("weights", "l1", "l2")))
    if W is None:
        G, C = A.mT @ A, X @ A
    else:
        # Each sample is a problem of its own.
        X, W = X[:, None], W[:, None]
        G, C = A.mT @ (W.mT * A), (W * X) @ A
    if l1 is not None:
        l1 = l1.expand(C.shape).contiguous()
        C = C - l1
    if l2 is not None:
        l2 = l2.expand(G.shape[:-1]).contiguous()
        G = G + torch.diag_embed(l2)
    return G.requires_grad_(), C.requires_grad_(), A, X, W, l1, l2


@pytest.mark.parametrize("name", [pytest.param("no penalty", marks=pytest.mark.slow), "all"])
class TestContract:
    def test_of_the_solution(self, name):
        G, C, A, X, W, l1, l2 = operands(name)
        for support in (None, draw(0, tuple(C.shape))[0] > 0.5):
            opcheck(torch.ops.hntf.nnls_solve, (G, C, A, X, W, l1, l2, support))
        opcheck(torch.ops.hntf.nnls_solve, (G, C, None, None, None, None, None, None))

    def test_of_the_solution_on_a_support(self, name):
        G, C, A, X, W, l1, l2 = operands(name)
        S, support, used, _ = torch.ops.hntf.nnls_solve(G, C, A, X, W, l1, l2, None)
        dS = torch.rand_like(S).requires_grad_()
        for factored in (used, torch.ones_like(used)):
            opcheck(torch.ops.hntf.nnls_on_support, (G, dS, support, factored, A, W, l2))


@pytest.mark.parametrize("backend", BACKENDS)
class TestCompile:
    @pytest.mark.parametrize("name", ["l1, a scalar", "all"])
    def test_of_a_function(self, backend, name):
        given = options(name)
        inputs = (*draw(2, (N, M), (M, K)), *given.values())

        def function(X, A, *values):
            return nnls(X, A, **dict(zip(given, values, strict=True))).square().sum()

        value = function(*inputs)
        compiled = torch.compile(function, fullgraph=True, backend=backend)(*inputs)
        torch.testing.assert_close(compiled, value)
        torch.testing.assert_close(torch.autograd.grad(compiled, inputs), torch.autograd.grad(value, inputs))

    def test_of_a_network(self, backend):
        torch.manual_seed(0)
        network = torch.nn.Sequential(hntf.torch.NNLS(6, 4), hntf.torch.NNLS(4, 2, l1=0.01), torch.nn.Linear(2, 1))
        X = torch.rand(9, 6)
        expected = network(X)
        gradients = torch.autograd.grad(expected.square().sum(), list(network.parameters()))
        compiled = torch.compile(network, fullgraph=True, backend=backend)(X)
        torch.testing.assert_close(compiled, expected)
        torch.testing.assert_close(torch.autograd.grad(compiled.square().sum(), list(network.parameters())), gradients)

    @pytest.mark.parametrize("dynamic", [None, pytest.param(True, marks=pytest.mark.slow)])
    def test_of_batches_of_any_size(self, backend, dynamic):
        compiled = torch.compile(nnls, fullgraph=True, dynamic=dynamic, backend=backend)
        (A,) = draw(0, (M, K))
        for n in (3, 7, 5):
            (X,) = draw(n, (2, n, M))
            torch.testing.assert_close(compiled(X, A), nnls(X, A))

    def test_of_penalties_that_change(self, backend):
        """A number that changes becomes a symbol of the graph."""
        X, A = draw(2, (N, M), (M, K))
        compiled = torch.compile(nnls, fullgraph=True, backend=backend)
        for penalty in (0.0, 0.1, 0.2, 0.3):
            torch.testing.assert_close(compiled(X, A, l1=penalty, l2=penalty), nnls(X, A, l1=penalty, l2=penalty))

    def test_of_a_mapped_function(self, backend):
        X, A = detached(*draw(2, (N, M), (M, K)))
        mapped = torch.func.vmap(lambda x: nnls(x, A, l1=0.05))
        torch.testing.assert_close(torch.compile(mapped, fullgraph=True, backend=backend)(X), mapped(X))

    def test_of_the_gram_form(self, backend):
        X, A = draw(2, (N, M), (M, K))
        for G in (A.mT @ A, (A.mT @ A).expand(N, K, K)):
            inputs = tuple(x.detach().requires_grad_() for x in (G, X @ A))
            compiled = torch.compile(nnls_gram, fullgraph=True, backend=backend)(*inputs)
            torch.testing.assert_close(compiled, nnls_gram(*inputs))
            expected = torch.autograd.grad(nnls_gram(*inputs).square().sum(), inputs)
            torch.testing.assert_close(torch.autograd.grad(compiled.square().sum(), inputs), expected)

    def test_without_gradients_and_with_a_support(self, backend):
        X, A = detached(*draw(2, (N, M), (M, K)))
        S, info = nnls(X, A, return_info=True)
        compiled = torch.compile(nnls, fullgraph=True, backend=backend)
        with torch.no_grad():
            torch.testing.assert_close(compiled(X, A, support=info.support), S)

    @pytest.mark.parametrize("given", [{}, {"l1": 0.05, "weights": torch.linspace(0.0, 1.0, M, dtype=torch.float64)}])
    def test_with_information(self, backend, given):
        """As in a loop of training, which keeps the support; extreme columns are scaled."""
        X, A = detached(*draw(2, (N, M), (M, K)))
        for size in (1.0, 1e-150):
            compiled = torch.compile(
                lambda X, A: nnls(X, A, return_info=True, **given), fullgraph=True, backend=backend
            )
            S, info = compiled(X, size * A)
            expected, of_solution = nnls(X, size * A, return_info=True, **given)
            torch.testing.assert_close(S, expected)
            assert torch.equal(info.support, of_solution.support)
            assert int(info.n_iter) == of_solution.n_iter
            assert info.kkt_residual < 1e-12


class TestExport:
    def network(self):
        torch.manual_seed(0)
        return torch.nn.Sequential(hntf.torch.NNLS(6, 4, l2=0.01), torch.nn.Linear(4, 1)), torch.rand(9, 6)

    def test_of_a_fixed_batch(self):
        network, X = self.network()
        program = torch.export.export(network, (X,))
        torch.testing.assert_close(program.module()(X), network(X))
        assert "hntf.nnls_solve" in str(program.graph)

    def test_of_any_batch(self):
        network, X = self.network()
        program = torch.export.export(network, (X,), dynamic_shapes=({0: torch.export.Dim("n")},))
        for n in (2, 5, 30):
            Y = torch.rand(n, 6)
            torch.testing.assert_close(program.module()(Y), network(Y))

    @pytest.mark.parametrize("kind", ["CP", "Tucker", "Hierarchy"])
    def test_of_any_batch_of_tensors(self, kind):
        torch.manual_seed(0)
        cp, tucker = hntf.torch.CP((3, 2), 3), hntf.torch.Tucker((3, 2), (2, 2), (1, 2))
        networks = {"CP": cp, "Tucker": tucker, "Hierarchy": hntf.torch.Hierarchy([cp, hntf.torch.NNLS(3, 2)])}
        network = networks[kind]
        program = torch.export.export(network, (torch.rand(5, 6),), dynamic_shapes=({0: torch.export.Dim("n")},))
        for n in (2, 9):
            Y = torch.rand(n, 6)
            torch.testing.assert_close(program.module()(Y), network(Y))

    def test_is_saved_and_loaded(self, tmp_path):
        network, X = self.network()
        torch.export.save(torch.export.export(network, (X,)), tmp_path / "network.pt2")
        torch.testing.assert_close(torch.export.load(tmp_path / "network.pt2").module()(X), network(X))


PROGRAM = """
import torch, hntf
torch.manual_seed(0)
network = torch.nn.Sequential(hntf.torch.NNLS(6, 4), torch.nn.Linear(4, 1))
X = torch.rand(9, 6)
expected = network(X)
gradients = torch.autograd.grad(expected.sum(), list(network.parameters()))
compiled = torch.compile(network, fullgraph=True)(X)
torch.testing.assert_close(compiled, expected)
torch.testing.assert_close(torch.autograd.grad(compiled.sum(), list(network.parameters())), gradients)
"""


@pytest.mark.slow
@pytest.mark.skipif(not COMPILES_CPP, reason="needs a C++ compiler")
def test_compiled_in_a_fresh_process_and_again_from_the_cache(tmp_path):
    environment = {**os.environ, "TORCHINDUCTOR_CACHE_DIR": str(tmp_path)}
    for _ in range(2):
        run = subprocess.run(
            [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=False
        )
        assert run.returncode == 0, run.stderr
    assert any(tmp_path.iterdir())
