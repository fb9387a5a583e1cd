"""Fitting: where a fit starts, how it moves, when it stops.

- `loop`: the one loop of all fits: starts that may race, a `Descent` from each, a history, one `Solution`; `report` shows it;
- `initializers/`: nonnegative starting points, one a file;
- `objective`: a loss as a function of one flat vector, a sum over the `parts` of the samples;
- `optimizers/`: descents on an objective, one a file; `batches` trains on a part after the other;
- `updates/`: descents that update one factor after the other, one a file;
- `scaling`: the scale of components; `blas`: the threads that BLAS may use inside a fit.
"""
