"""Numba kernels over the entries of sparse tensors and weights."""

from __future__ import annotations

import numpy as np

from hntf.least_squares.kernels import kernel, step
from hntf.least_squares.lanes import LANES, eight_times, entry, load_eight, store_eight, sum_of_eight

ENTRIES = 64
"""Number of entries whose products of rows are formed together: they stay in the cache of a core."""


@kernel
def counting_sort(keys, dimension, order):  # type: ignore[no-untyped-def]
    """Return an order of entries sorted by their keys, from 0 to `dimension − 1`; entries with equal keys keep the given order."""
    starts = np.zeros(dimension + 1, np.int64)
    for e in range(len(keys)):
        starts[keys[e] + 1] += 1
    for d in range(dimension):
        starts[d + 1] += starts[d]
    result = np.empty_like(order)
    for e in order:
        result[starts[keys[e]]] = e
        starts[keys[e]] += 1
    return result


@kernel
def kronecker_row(value, index, columns, factors, product):  # type: ignore[no-untyped-def]
    """Set `product` to `value` times the Kronecker product of one row of every factor, the row `index[columns[m]]` of factor m."""
    size = 1
    product[0] = value
    for m in range(len(columns)):
        row = factors[m][index[columns[m]]]
        r = len(row)
        for a in range(size - 1, -1, -1):
            scale = product[a]
            for b in range(r):
                product[a * r + b] = scale * row[b]
        size *= r


@step
def product_of_rows(value, index, e, factors, first):  # type: ignore[no-untyped-def]
    """Return `value` times eight entries, from `first` on, of the Hadamard product of the rows `index[e, m]` of the factors."""
    product = eight_times(value)
    for m in range(len(factors)):
        row = np.int64(entry(index, len(factors) * e + m))
        product = product * load_eight(factors[m], row * factors[m].shape[1] + first)
    return product


@step
def sum_hadamard(bounds, rows, others, values, factors, sums, first, last):  # type: ignore[no-untyped-def]
    """Sum `x_e u_e ∘ v_e ∘ …` over the entries of every piece, which has a row of its own; of at least eight columns."""
    rank = sums.shape[1]
    for start in range(0, rank, 2 * LANES):
        # Sixteen columns at a time stay in registers; the last eight overlap those before them.
        left, right = min(start, rank - LANES), min(start + LANES, rank - LANES)
        for piece in range(first, last):
            row = rows[piece] * rank
            total_left, total_right = eight_times(0.0), eight_times(0.0)
            for e in range(bounds[piece], bounds[piece + 1]):
                total_left = total_left + product_of_rows(entry(values, e), others, e, factors, left)
                total_right = total_right + product_of_rows(entry(values, e), others, e, factors, right)
            store_eight(sums, row + left, total_left)
            store_eight(sums, row + right, total_right)


@kernel
def sum_kronecker(bounds, rows, others, values, factors, sums, first, last):  # type: ignore[no-untyped-def]
    """Sum `x_e u_e ⊗ v_e ⊗ …` over the entries of every piece."""
    rank = sums.shape[1]
    product = np.empty(rank)
    columns = np.arange(len(factors))
    for piece in range(first, last):
        total = sums[rows[piece]]
        for e in range(bounds[piece], bounds[piece + 1]):
            kronecker_row(values[e], others[e], columns, factors, product)
            for j in range(rank):
                total[j] += product[j]


@kernel
def sum_through(bounds, rows, others, values, arguments, sums, first, last):  # type: ignore[no-untyped-def]
    """Sum `x_e V_e (u_e ⊗ v_e ⊗ …)` over the entries of every piece, with the matrix `V_e` of the cell of an entry."""
    strides, columns, factors, V = arguments
    rank, width = V.shape[1], V.shape[2]
    product = np.empty(width)
    for piece in range(first, last):
        total = sums[rows[piece]]
        for e in range(bounds[piece], bounds[piece + 1]):
            kronecker_row(values[e], others[e], columns, factors, product)
            cell = 0
            for m in range(len(strides)):
                cell += strides[m] * others[e, m]
            matrix = V[cell]
            for a in range(rank):
                for b in range(width):
                    total[a] += matrix[a, b] * product[b]


@kernel
def kronecker_at_entries(cells, index, columns, factors, V, result, start, stop):  # type: ignore[no-untyped-def]
    """Set `result` to `⟨v, u_1 ⊗ u_2 ⊗ …⟩` with the row of `V` of the cell of every entry."""
    product = np.empty(V.shape[1])
    for e in range(start, stop):
        kronecker_row(1.0, index[:, e], columns, factors, product)
        total = 0.0
        row = V[cells[e]]
        for j in range(len(product)):
            total += row[j] * product[j]
        result[e] = total


@step
def product_at(value, index, e, factors, first):  # type: ignore[no-untyped-def]
    """Return what `product_of_rows` does, from rows `index[m][e]`."""
    product = eight_times(value)
    for m in range(len(factors)):
        product = product * load_eight(factors[m], np.int64(index[m][e]) * factors[m].shape[1] + first)
    return product


@step
def cp_at_entries(index, factors, result, start, stop):  # type: ignore[no-untyped-def]
    """Set `result` to `Σ_r u_1r u_2r …` with the rows of the factors at the coordinates of every entry.

    The number of columns is a multiple of eight.
    """
    rank = factors[0].shape[1]
    for e in range(start, stop):
        total, column = eight_times(0.0), np.int64(0)
        while column < rank:
            total = total + product_at(1.0, index, e, factors, column)
            column += LANES
        result[e] = sum_of_eight(total)


@step
def add_hadamard(keys, index, values, factors, result, start, stop):  # type: ignore[no-untyped-def]
    """Add `x_e u_e ∘ v_e ∘ …` to the row `keys[e]` of the result for every entry; of at least eight columns."""
    rank = result.shape[1]
    for e in range(start, stop):
        # Of a literal number, another kernel would be compiled.
        row, column = np.int64(keys[e]) * rank, np.int64(0)
        while column < rank:
            # Two or three times eight columns, the last of which may overlap the others: all are read before one is written.
            left = rank - column
            middle = rank - LANES if left <= 2 * LANES else column + LANES
            last = rank - LANES if left < 3 * LANES else middle
            first_sum = load_eight(result, row + column) + product_at(values[e], index, e, factors, column)
            middle_sum = load_eight(result, row + middle) + product_at(values[e], index, e, factors, middle)
            if last != middle:
                last_sum = load_eight(result, row + last) + product_at(values[e], index, e, factors, last)
                store_eight(result, row + last, last_sum)
            store_eight(result, row + column, first_sum)
            store_eight(result, row + middle, middle_sum)
            column = last + LANES


@step
def add_products_of_rows(H, weighted, n, sums):  # type: ignore[no-untyped-def]
    """Add `Hᵀ diag(w) H` over the first `n` rows, which `weighted` holds times their weights, on and right of the diagonal.

    The number of columns is a multiple of eight; of the entries left of the diagonal, some are wrong.
    """
    width = H.shape[1]
    for row in range(0, width, 4):
        column = row // LANES * LANES
        while column < width:
            at = row * width + column
            first, second = load_eight(sums, at), load_eight(sums, at + width)
            third, fourth = load_eight(sums, at + 2 * width), load_eight(sums, at + 3 * width)
            for e in range(n):
                h = load_eight(H, e * width + column)
                w = e * width + row
                first = first + eight_times(entry(weighted, w)) * h
                second = second + eight_times(entry(weighted, w + 1)) * h
                third = third + eight_times(entry(weighted, w + 2)) * h
                fourth = fourth + eight_times(entry(weighted, w + 3)) * h
            store_eight(sums, at, first)
            store_eight(sums, at + width, second)
            store_eight(sums, at + 2 * width, third)
            store_eight(sums, at + 3 * width, fourth)
            column += LANES


@kernel
def add_outer_products(starts, stops, others, values, factors, G, first, last):  # type: ignore[no-untyped-def]
    """Add `Σ_e w_e k_e k_eᵀ`, `k_e = u_e ∘ v_e ∘ …`, to the matrix of every slice, over its entries.

    The number of columns of the factors is that of the matrices, rounded up to a multiple of eight.
    """
    rank, width = G.shape[1], factors[0].shape[1]
    H, weighted = np.empty((ENTRIES, width)), np.empty((ENTRIES, width))
    sums = np.empty((width, width))
    for i in range(first, last):
        if starts[i] == stops[i]:
            continue
        sums[:] = 0.0
        for start in range(starts[i], stops[i], ENTRIES):
            n = min(ENTRIES, stops[i] - start)
            for e in range(n):
                for column in range(0, width, LANES):
                    product = product_of_rows(1.0, others, start + e, factors, column)
                    store_eight(H, e * width + column, product)
                    store_eight(weighted, e * width + column, eight_times(values[start + e]) * product)
            add_products_of_rows(H, weighted, n, sums)
        for a in range(rank):
            G[i, a, a] += sums[a, a]
            for b in range(a + 1, rank):
                G[i, a, b] += sums[a, b]
                G[i, b, a] += sums[a, b]


@kernel
def mixed(state, coordinate):  # type: ignore[no-untyped-def]
    """Return the next state of the hash of coordinates, as in `hntf.data.hashes.hash_states`."""
    state = state + np.uint64(coordinate) + np.uint64(0x9E3779B97F4A7C15)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))


@kernel
def hash_rows(bits, places, hashes, start, stop):  # type: ignore[no-untyped-def]
    """Add the hashes of all entries that are not zero to those of their rows."""
    for i in range(start, stop):
        row = bits[i]
        for j in range(len(row)):
            if row[j] != 0:
                hashes[i] += mixed(places[j], row[j])


@kernel
def hash_entries(bits, places, bounds, hashes, start, stop):  # type: ignore[no-untyped-def]
    """Add the hashes of all entries that are not zero to those of their rows, whose entries lie between `bounds`."""
    for i in range(start, stop):
        for e in range(bounds[i], bounds[i + 1]):
            if bits[e] != 0:
                hashes[i] += mixed(places[e], bits[e])


@kernel
def held_out_columns(states, keys, fraction, swapped, indptr, counts, found, fill, start, stop):  # type: ignore[no-untyped-def]
    """Count the columns that are held out in every row, or fill them in from `indptr` on.

    `states` are those of the hash after all coordinates but the last, which `keys` holds: that of the column, or, if they are
    `swapped`, of the row.
    """
    n_columns = len(states) if swapped else len(keys)
    for i in range(start, stop):
        position = indptr[i]
        number = 0
        for j in range(n_columns):
            state = mixed(states[j], keys[i]) if swapped else mixed(states[i], keys[j])
            if np.float64(state >> np.uint64(11)) * 2.0**-53 < fraction:
                if fill:
                    found[position + number] = j
                number += 1
        counts[i + 1] = number
