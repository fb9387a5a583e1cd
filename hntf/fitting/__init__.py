"""Fitting: the start of a fit, its iterations, and its stopping criteria.

- `loop`: the loop of all fits, which runs a `Descent` from each of several starts that may race, records a history and returns
  one `Solution`; `report` shows the progress;
- `initializers/`: nonnegative starting points, one per file;
- `objective`: a loss as a function of one flat vector, summed over the `parts` of the samples;
- `optimizers/`: descents on an objective, one per file; `batches` trains on one part after the other;
- `updates/`: descents that update one factor after the other, one per file;
- `scaling`: the scale of components; `blas`: the number of threads that BLAS may use inside a fit.
"""
