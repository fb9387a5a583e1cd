"""Samples outside of memory that can be read in blocks: files, arrays on disk, and iterables of blocks."""

from __future__ import annotations

import mmap
import tokenize
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse

from hntf.algebra import MATRIX
from hntf.arrays import to_numpy
from hntf.axes import Axis, axes_of, axes_of_blocks
from hntf.data.sparse_arrays import in_scipy, is_entries, is_sparse_tensor
from hntf.validation import check_real_array

DAMAGED = (EOFError, ValueError, KeyError, OSError, NotImplementedError, zipfile.BadZipFile, zlib.error)
"""Errors that a damaged archive may raise."""

BLOCK_BYTES = 2**25
"""Size of the blocks in which dense arrays are read, in float64."""


class Source(ABC):
    """Samples in blocks along mode 0.

    Attributes
    ----------
    shape : tuple of int
        The shape of all samples.
    dtype : dtype
        Their type.
    bounds : list of (int, int)
        The first sample of every block, and the one after its last.
    is_in_memory : bool
        Whether the blocks are in memory, so that it does not pay to read ahead.
    may_change : bool
        Whether another pass may bring other blocks.
    axes : list of Axis or None
        The names of the modes and of their entries, where the blocks bring them along.
    """

    shape: tuple[int, ...]
    dtype: np.dtype
    bounds: list[tuple[int, int]]
    is_in_memory = False
    may_change = False
    axes: list[Axis] | None = None

    @abstractmethod
    def __iter__(self) -> Iterator[Any]:
        """Yield the blocks in their order, as arrays or SciPy sparse matrices; they can be read again."""


class Sliced(Source):
    """An array that is read by slices along its first axis: a Zarr array, an HDF5 dataset, a memory map."""

    def __init__(self, array: Any) -> None:
        self.array = array
        self.shape, self.dtype = tuple(array.shape), np.dtype(array.dtype)
        chunks = getattr(array, "chunks", None)
        self.bounds = _bounds(self.shape, chunks[0] if chunks else 1)

    def __iter__(self) -> Iterator[np.ndarray]:
        for start, stop in self.bounds:
            yield np.array(self.array[start:stop])


class Mapped(Sliced):
    """A memory map of a whole file, of which what was read is dropped, so that it takes the memory of a block alone.

    The map holds what the file held when it was opened, also if another file has its name now.
    """

    @classmethod
    def of(cls, array: np.memmap) -> Sliced:
        """Return the source of a memory map; what is a part of one, or may hold changes of its own, is only sliced."""
        is_whole = isinstance(array.base, mmap.mmap) and array.flags.c_contiguous
        can_drop = hasattr(mmap.mmap, "madvise") and array.mode in ("r", "r+")
        return cls(array) if is_whole and can_drop else Sliced(array)

    def __iter__(self) -> Iterator[np.ndarray]:
        row = self.array.nbytes // max(1, len(self.array))
        first = self.array.offset % mmap.ALLOCATIONGRANULARITY
        for (start, stop), block in zip(self.bounds, super().__iter__(), strict=True):
            page = (first + start * row) // mmap.PAGESIZE * mmap.PAGESIZE
            self.array.base.madvise(mmap.MADV_DONTNEED, page, first + stop * row - page)
            yield block


class NpyFile(Source):
    """An array in a file of NumPy's format, in C order; it is read, not mapped, so that one that becomes shorter is an error."""

    def __init__(self, path: Path, shape: Sequence[int], dtype: np.dtype, offset: int) -> None:
        self.path, self.offset = path, offset
        self.shape, self.dtype = tuple(shape), dtype
        self.bounds = _bounds(self.shape, 1)

    @classmethod
    def of_path(cls, path: Path) -> Source:
        """Open a file."""
        try:
            # `numpy.load` takes what is no array for a pickle.
            array = np.lib.format.open_memmap(path, mode="r")
        except (EOFError, ValueError, SyntaxError, tokenize.TokenError) as error:
            raise ValueError(f"X must be a whole .npy file, got {path}: {error}") from error
        return cls(path, array.shape, array.dtype, array.offset) if array.flags.c_contiguous else Sliced(array)

    def __iter__(self) -> Iterator[np.ndarray]:
        width = int(np.prod(self.shape[1:]))
        with self.path.open("rb") as file:
            file.seek(self.offset)
            for start, stop in self.bounds:
                block = np.empty((stop - start, *self.shape[1:]), self.dtype)
                if file.readinto(memoryview(block.data).cast("B")) != (stop - start) * width * self.dtype.itemsize:
                    raise ValueError(f"X must be a whole file, got {self.path}, which ends early")
                yield block


class Blocks(Source):
    """An iterable of blocks of samples that can be read again."""

    def __init__(self, blocks: Iterable[Any]) -> None:
        self.blocks = blocks
        self.is_in_memory = isinstance(blocks, list | tuple)
        self.may_change = not self.is_in_memory
        shapes, dtypes, axes = [], [], []
        for given, block in self._pairs():
            shapes.append(tuple(block.shape))
            dtypes.append(block.dtype)
            axes.append(axes_of(given, block.shape))
        if not shapes:
            raise ValueError("X must hold at least one block of samples, got none")
        if len({shape[1:] for shape in shapes}) > 1:
            raise ValueError(f"X must hold blocks with the same features, got shapes {sorted(set(shapes))}")
        self.axes = axes_of_blocks(axes)
        ends = np.cumsum([shape[0] for shape in shapes]).tolist()
        self.shape = (ends[-1], *shapes[0][1:])
        self.dtype = np.result_type(*dtypes)
        self.bounds = list(zip([0, *ends[:-1]], ends, strict=True))

    def __iter__(self) -> Iterator[Any]:
        for _, block in self._pairs():
            yield block

    def _pairs(self) -> Iterator[tuple[Any, Any]]:
        """Yield the blocks that have samples as they are given, with what they are as arrays."""
        for given in self.blocks:
            block = _as_block(given)
            if block.shape[:1] != (0,):
                yield given, block


class NpzFiles(Source):
    """A directory of SciPy sparse matrices, in the order of their file names."""

    def __init__(self, path: Path) -> None:
        self.paths = sorted(path.glob("*.npz"))
        if not self.paths:
            raise ValueError(f"X must be a directory with .npz files of sparse matrices, got {path}, which holds none")
        shapes, dtypes = [], []
        for each in self.paths:
            with _reading(each), zipfile.ZipFile(each) as file:
                with file.open("shape.npy") as array:
                    shapes.append(tuple(map(int, np.lib.format.read_array(array))))
                with file.open("data.npy") as array:
                    np.lib.format.read_magic(array)
                    dtypes.append(np.lib.format.read_array_header_1_0(array)[2])
        if len({shape[1] for shape in shapes}) > 1:
            raise ValueError(f"X must hold blocks with the same features, got shapes {sorted(set(shapes))} in {path}")
        self.dtype = np.result_type(*dtypes)
        self.paths = [each for each, shape in zip(self.paths, shapes, strict=True) if shape[0]]
        ends = np.cumsum([shape[0] for shape in shapes if shape[0]] or [0]).tolist()
        self.shape = (ends[-1], shapes[0][1])
        self.bounds = list(zip([0, *ends[:-1]], ends, strict=True))

    def __iter__(self) -> Iterator[Any]:
        for path in self.paths:
            with _reading(path):
                block = scipy.sparse.load_npz(path)
            yield block


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Name the file of a sparse matrix that cannot be read."""
    try:
        yield
    except DAMAGED as error:
        raise ValueError(f"X must be a directory of sparse matrices of SciPy, got {path}: {error}") from error


def source_of(X: Any) -> Source | None:
    """Return the source of samples outside of memory, None for arrays in memory."""
    source = _source_of(X)
    if source is not None and (len(source.shape) < MATRIX or 0 in source.shape):
        raise ValueError(f"X must have order 2 or more and no empty axis, got shape {source.shape}")
    return source


def _source_of(X: Any) -> Source | None:
    if isinstance(X, str | Path):
        path = Path(X)
        if path.is_dir():
            return _zarr(path) if _is_zarr(path) else NpzFiles(path)
        if path.suffix != ".npy":
            raise ValueError(f"X must be a .npy file, a directory of .npz files or a Zarr store, got the path {path}")
        return NpyFile.of_path(path)
    if isinstance(X, np.memmap):
        return Mapped.of(X)
    package = type(X).__module__.partition(".")[0]
    if package in ("zarr", "h5py"):
        return Sliced(X)
    return Blocks(X) if _is_blocks(X) else None


def _is_blocks(X: Any) -> bool:
    if isinstance(X, list | tuple):
        return bool(X) and all(is_sparse_tensor(block) or len(getattr(block, "shape", ())) >= MATRIX for block in X)
    if isinstance(X, Iterator):
        raise TypeError(f"X must be an iterable that can be read again, got {type(X).__name__}, which can be read once")
    array_like = hasattr(X, "shape") or hasattr(X, "__array__") or isinstance(X, Sequence | Mapping | Set)
    return isinstance(X, Iterable) and not array_like


def _as_block(block: Any) -> Any:
    """Return a block of samples as a NumPy array, a SciPy sparse matrix, or, of a tensor, an array of the package `sparse`.

    A loader of torch yields the tensors of a data set as a list.
    """
    if isinstance(block, list | tuple) and block and all(len(getattr(each, "shape", ())) >= MATRIX for each in block):
        if len(block) > 1:
            raise TypeError(f"X must hold blocks of samples alone, got {len(block)} arrays in a block")
        (block,) = block
    if is_sparse_tensor(block):
        block = in_scipy(block, "X")
        if is_entries(block):
            raise TypeError("X must hold blocks of sparse tensors as sparse.COO, got (coordinates, values, shape)")
        return block if scipy.sparse.issparse(block) else block.asformat("coo")
    if scipy.sparse.issparse(block):
        return block
    return to_numpy(check_real_array(block, "X", entries=False, may_be_empty=True))


def _is_zarr(path: Path) -> bool:
    return any((path / name).exists() for name in ("zarr.json", ".zarray"))


def _zarr(path: Path) -> Source:
    import zarr

    try:
        return Sliced(zarr.open_array(path, mode="r"))
    except (zarr.errors.NodeTypeValidationError, FileNotFoundError) as error:
        raise ValueError(f"X must be a Zarr array, got {path}: {error}") from error


def _bounds(shape: Sequence[int], multiple: int) -> list[tuple[int, int]]:
    """Return blocks of about `BLOCK_BYTES`, with a multiple of a number of samples each."""
    n = shape[0] if shape else 0
    rows = max(1, BLOCK_BYTES // (8 * max(1, int(np.prod(shape[1:], dtype=np.int64)))))
    rows = max(multiple, rows // multiple * multiple)
    return [(start, min(start + rows, n)) for start in range(0, n, rows)]
