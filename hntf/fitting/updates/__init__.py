"""Methods that update one factor after the other, one per file; each is a descent whose step is a sweep over all factors.

`alternating` is for CP decompositions of any order, `tucker` for Tucker decompositions, `joint` for matrices with a common code
(NMF and, with labels, SSNMF), `up_propagation` for hierarchies with pooling, `semi_nmf` for factors of any sign.
"""
