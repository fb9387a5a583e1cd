"""Fitting: where a fit starts, how it moves, when it stops.

- `initializers/`: nonnegative starting points, one a file; `alternating`: the exact alternating solver they use;
- `objective`: a loss as a function of one flat vector, which is all that an optimizer sees;
- `optimizers/`: one a file, under one signature;
- `stopping`: the relative projected gradient and the record of a minimum;
- `progress`, `blas`: the progress bar, and the threads that BLAS may use inside a fit;
- `fit`: restarts of all this, the entry of estimators that train a model on gradients; `minibatch` the same on batches;
- `sweeps`: when methods without gradients end, and the best of their starts; `joint`, `divergences`, `up_propagation`, `semi_nmf`,
  `tucker`: such methods, with `restarts` for CP and Tucker decompositions.
"""
