"""Methods that update one factor after the other, one a file: each a descent whose step is a sweep over all factors.

`alternating` for CP decompositions of any order, `tucker` for Tucker decompositions, `joint` for matrices that share a code (NMF,
and with labels SSNMF), `up_propagation` for networks with pooling, `semi_nmf` for factors of any sign.
"""
