import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck
from torch.func import hessian, jacfwd, vmap

from hntf.torch import products
from hntf.torch.products import matmul
from tests.torch.problems import draw


@pytest.fixture(params=[True, False], ids=["numpy", "torch"])
def small(request, monkeypatch):
    """Let products of every size be computed by NumPy, or by torch."""
    monkeypatch.setattr(products, "SMALL", -1 if request.param else 10**9)


SHAPES = [
    ((4, 3), (3, 2)),
    ((1, 3), (3, 1)),
    ((0, 3), (3, 2)),
    ((4, 3), (3, 0)),
    ((2, 4, 3), (3, 2)),
    ((4, 3), (5, 3, 2)),
]


@pytest.mark.parametrize("shapes", SHAPES, ids=str)
@pytest.mark.usefixtures("small")
def test_it_is_the_product_of_torch(shapes):
    X, A = draw(0, *shapes)
    torch.testing.assert_close(matmul(X, A), X @ A)
    torch.testing.assert_close(matmul(X.mT.contiguous().mT, A.mT.contiguous().mT), X @ A)
    torch.testing.assert_close(matmul(X.float(), A.float()), X.float() @ A.float())


@pytest.mark.usefixtures("small")
def test_derivatives():
    X, A = draw(0, (4, 3), (3, 2))
    assert gradcheck(matmul, (X, A), check_forward_ad=True)
    assert gradgradcheck(matmul, (X, A))
    for constant in (lambda A: matmul(X.detach(), A), lambda A: matmul(A.mT, X.detach().mT)):
        assert gradcheck(constant, (A,), check_forward_ad=True)


@pytest.mark.usefixtures("small")
def test_transforms():
    X, A = (x.detach() for x in draw(1, (5, 4, 3), (5, 3, 2)))
    torch.testing.assert_close(vmap(matmul)(X, A), X @ A)
    torch.testing.assert_close(vmap(matmul, in_dims=(1, None))(X, A[0]), (X @ A[0]).movedim(1, 0))
    torch.testing.assert_close(vmap(matmul, in_dims=(None, 0))(X[0], A), X[0] @ A)
    torch.testing.assert_close(jacfwd(lambda A: matmul(X[0], A))(A[0]), jacfwd(lambda A: X[0] @ A)(A[0]))
    square = hessian(lambda A: matmul(X[0], A).square().sum())(A[0])
    torch.testing.assert_close(square, hessian(lambda A: (X[0] @ A).square().sum())(A[0]))
