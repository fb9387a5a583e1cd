"""Numba kernels over the entries of sparse tensors and weights.

Entries are processed in chunks of a fixed size. The sum of a group of entries that lies in one chunk is written at once; the parts
of one that several chunks share are kept for each chunk, and added by the caller.
"""

from __future__ import annotations

import numpy as np

from hntf.least_squares.elimination import kernel


@kernel
def add_outer_products(indptr, indices, weights, U, G, start, stop):  # type: ignore[no-untyped-def]
    """Add `Σ_j w_ij u_j u_jᵀ` to the matrix `G_i` `(k, k)` of every row `i` of a sparse matrix."""
    k = U.shape[1]
    for i in range(start, stop):
        g = G[i]
        for e in range(indptr[i], indptr[i + 1]):
            u = U[indices[e]]
            for a in range(k):
                factor = weights[e] * u[a]
                for b in range(k):
                    g[a, b] += factor * u[b]


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
def group_at(pointers, entry):  # type: ignore[no-untyped-def]
    """Return the group to which an entry belongs."""
    low, high = 0, len(pointers) - 1
    while high - low > 1:
        middle = (low + high) // 2
        if pointers[middle] <= entry:
            low = middle
        else:
            high = middle
    return low


@kernel
def note(sums, partial, of_partial, chunk, group, whole, at_start, total):  # type: ignore[no-untyped-def]
    """Keep the sum of a group, or of the part of it in a chunk."""
    if whole:
        sums[group] = total
        return
    slot = 0 if at_start else 1
    of_partial[chunk, slot] = group
    partial[chunk, slot] = total


@kernel
def kronecker_row(value, index, factors, product):  # type: ignore[no-untyped-def]
    """Set `product` to `value` times the Kronecker product of one row of every factor."""
    size = 1
    product[0] = value
    for m in range(len(factors)):
        row = factors[m][index[m]]
        r = len(row)
        for a in range(size - 1, -1, -1):
            scale = product[a]
            for b in range(r):
                product[a * r + b] = scale * row[b]
        size *= r


@kernel
def sum_hadamard(pointers, others, values, factors, sums, partial, of_partial, size, first, last):  # type: ignore[no-untyped-def]
    """Sum `x_e u_e ∘ v_e ∘ …` over the entries of every group, for some chunks of entries."""
    rank = sums.shape[1]
    total, product = np.empty(rank), np.empty(rank)
    for chunk in range(first, last):
        e, stop = chunk * size, min((chunk + 1) * size, len(values))
        group = group_at(pointers, e)
        while e < stop:
            start, end = e, min(pointers[group + 1], stop)
            total[:] = 0.0
            for i in range(start, end):
                value = values[i]
                U = factors[0][others[i, 0]]
                if len(factors) == 1:
                    for j in range(rank):
                        total[j] += value * U[j]
                elif len(factors) == 2:
                    V = factors[1][others[i, 1]]
                    for j in range(rank):
                        total[j] += value * U[j] * V[j]
                else:
                    for j in range(rank):
                        product[j] = value * U[j]
                    for m in range(1, len(factors)):
                        V = factors[m][others[i, m]]
                        for j in range(rank):
                            product[j] *= V[j]
                    for j in range(rank):
                        total[j] += product[j]
            whole = start == pointers[group] and end == pointers[group + 1]
            note(sums, partial, of_partial, chunk, group, whole, start == chunk * size, total)
            e = end
            group += 1


@kernel
def sum_kronecker(pointers, others, values, factors, sums, partial, of_partial, size, first, last):  # type: ignore[no-untyped-def]
    """Sum `x_e u_e ⊗ v_e ⊗ …` over the entries of every group, for some chunks of entries."""
    rank = sums.shape[1]
    total, product = np.empty(rank), np.empty(rank)
    for chunk in range(first, last):
        e, stop = chunk * size, min((chunk + 1) * size, len(values))
        group = group_at(pointers, e)
        while e < stop:
            start, end = e, min(pointers[group + 1], stop)
            total[:] = 0.0
            for i in range(start, end):
                kronecker_row(values[i], others[i], factors, product)
                for j in range(rank):
                    total[j] += product[j]
            whole = start == pointers[group] and end == pointers[group + 1]
            note(sums, partial, of_partial, chunk, group, whole, start == chunk * size, total)
            e = end
            group += 1


@kernel
def sum_through(pointers, unused, values, arguments, sums, partial, of_partial, size, first, last):  # type: ignore[no-untyped-def]
    """Sum `x_e V_e (u_e ⊗ v_e ⊗ …)` over the entries of every group, with the matrix `V_e` of the cell of an entry."""
    cells, others, factors, V = arguments
    rank = sums.shape[1]
    width = V.shape[2]
    total, product = np.empty(rank), np.empty(width)
    for chunk in range(first, last):
        e, stop = chunk * size, min((chunk + 1) * size, len(values))
        group = group_at(pointers, e)
        while e < stop:
            start, end = e, min(pointers[group + 1], stop)
            total[:] = 0.0
            for i in range(start, end):
                if others.shape[1]:
                    kronecker_row(values[i], others[i], factors, product)
                else:
                    product[0] = values[i]
                matrix = V[cells[i]]
                for a in range(rank):
                    for b in range(width):
                        total[a] += matrix[a, b] * product[b]
            whole = start == pointers[group] and end == pointers[group + 1]
            note(sums, partial, of_partial, chunk, group, whole, start == chunk * size, total)
            e = end
            group += 1


@kernel
def cp_at_entries(index, factors, result, start, stop):  # type: ignore[no-untyped-def]
    """Set `result` to `Σ_r u_1r u_2r …` with the rows of the factors at the coordinates of every entry."""
    rank = factors[0].shape[1]
    product = np.empty(rank)
    for e in range(start, stop):
        product[:] = factors[0][index[0, e]]
        for m in range(1, len(factors)):
            row = factors[m][index[m, e]]
            for j in range(rank):
                product[j] *= row[j]
        result[e] = product.sum()


@kernel
def kronecker_at_entries(cells, others, factors, V, result, start, stop):  # type: ignore[no-untyped-def]
    """Set `result` to `⟨v, u_1 ⊗ u_2 ⊗ …⟩` with the row of `V` of the cell of every entry."""
    product = np.empty(V.shape[1])
    for e in range(start, stop):
        kronecker_row(1.0, others[e], factors, product)
        total = 0.0
        row = V[cells[e]]
        for j in range(len(product)):
            total += row[j] * product[j]
        result[e] = total


@kernel
def add_hadamard(keys, rows, values, factors, result, start, stop):  # type: ignore[no-untyped-def]
    """Add `x_e u_e ∘ v_e ∘ …` to the row `keys[e]` of the result for every entry."""
    rank = result.shape[1]
    product = np.empty(rank)
    for e in range(start, stop):
        value, total, U = values[e], result[keys[e]], factors[0][rows[0][e]]
        if len(factors) == 2:
            V = factors[1][rows[1][e]]
            for j in range(rank):
                total[j] += value * U[j] * V[j]
        else:
            for j in range(rank):
                product[j] = value * U[j]
            for m in range(1, len(factors)):
                V = factors[m][rows[m][e]]
                for j in range(rank):
                    product[j] *= V[j]
            for j in range(rank):
                total[j] += product[j]


@kernel
def add_outer_hadamard(starts, stops, others, values, factors, G, first, last):  # type: ignore[no-untyped-def]
    """Add `Σ_e w_e k_e k_eᵀ`, `k_e = u_e ∘ v_e ∘ …`, to the matrix of every slice, over its entries."""
    rank = G.shape[1]
    product = np.empty(rank)
    for i in range(first, last):
        g = G[i]
        for e in range(starts[i], stops[i]):
            product[:] = factors[0][others[e, 0]]
            for m in range(1, len(factors)):
                row = factors[m][others[e, m]]
                for j in range(rank):
                    product[j] *= row[j]
            for a in range(rank):
                scale = values[e] * product[a]
                for b in range(rank):
                    g[a, b] += scale * product[b]


@kernel
def mixed(state, coordinate):  # type: ignore[no-untyped-def]
    """Return the next state of the hash of coordinates, as in `hntf.data.hold_out.hashes`."""
    state = state + np.uint64(coordinate) + np.uint64(0x9E3779B97F4A7C15)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))


@kernel
def held_out_columns(rows, columns, seed, fraction, swapped, indptr, counts, found, fill, start, stop):  # type: ignore[no-untyped-def]
    """Count the columns that are held out in every row, or fill them in from `indptr` on."""
    for i in range(start, stop):
        position = indptr[i]
        number = 0
        of_row = mixed(np.uint64(seed), rows[i])
        for j in range(len(columns)):
            state = mixed(mixed(np.uint64(seed), columns[j]), rows[i]) if swapped else mixed(of_row, columns[j])
            if np.float64(state >> np.uint64(11)) * 2.0**-53 < fraction:
                if fill:
                    found[position + number] = j
                number += 1
        counts[i + 1] = number
