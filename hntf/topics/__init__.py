"""Topics of documents: from texts to a tree of topics in one estimator.

`model` is the estimator `TopicModel`; `documents` reads what documents may be given as, `words` counts and weighs their words,
`classes` predicts labels from words and topics, `over_time` follows topics, `stored` keeps a model in a file.
"""

from hntf.topics.documents import read_directory
from hntf.topics.model import TopicModel
from hntf.trees import Topic, TopicTree

__all__ = ["Topic", "TopicModel", "TopicTree", "read_directory"]
