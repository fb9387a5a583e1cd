"""Declarations, for type checkers, of the names that are imported when they are first used."""

from hntf import data as data
from hntf import datasets as datasets
from hntf import estimators as estimators
from hntf import fitting as fitting
from hntf import hierarchies as hierarchies
from hntf import layers as layers
from hntf import losses as losses
from hntf import maps as maps
from hntf import metrics as metrics
from hntf import models as models
from hntf import plot as plot
from hntf import topics as topics
from hntf import torch as torch
from hntf.data import HoldOut as HoldOut
from hntf.data import as_data as as_data
from hntf.estimators import NCPD as NCPD
from hntf.estimators import NMF as NMF
from hntf.estimators import NTD as NTD
from hntf.estimators import SSNMF as SSNMF
from hntf.estimators import DeepNMF as DeepNMF
from hntf.estimators import DeepSemiNMF as DeepSemiNMF
from hntf.estimators import HierarchicalNCPD as HierarchicalNCPD
from hntf.estimators import HierarchicalNMF as HierarchicalNMF
from hntf.estimators import MultiHNTF as MultiHNTF
from hntf.estimators import MultilayerNTF as MultilayerNTF
from hntf.estimators import MultilayerSparseCoding as MultilayerSparseCoding
from hntf.estimators import NeuralNCPD as NeuralNCPD
from hntf.estimators import NeuralNMF as NeuralNMF
from hntf.estimators import NeuralNTF as NeuralNTF
from hntf.estimators import UnfoldedNMF as UnfoldedNMF
from hntf.fitting.report import Progress as Progress
from hntf.gradient_check import GradcheckReport as GradcheckReport
from hntf.gradient_check import gradcheck as gradcheck
from hntf.hierarchies import Hierarchy as Hierarchy
from hntf.least_squares import NNLSInfo as NNLSInfo
from hntf.least_squares import nnls as nnls
from hntf.least_squares import nnls_gram as nnls_gram
from hntf.loading import load as load
from hntf.selection import RankSelection as RankSelection
from hntf.selection import Stability as Stability
from hntf.selection import compare as compare
from hntf.selection import select_ranks as select_ranks
from hntf.selection import stability as stability
from hntf.trees import Topic as Topic
from hntf.trees import TopicForest as TopicForest
from hntf.trees import TopicTree as TopicTree

__version__: str
__all__: list[str]
