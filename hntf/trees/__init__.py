"""Trees of topics: what a fitted hierarchy found, as a person reads it.

`topic` holds a topic with its words, parents and samples, and the tree of them, which prints itself; `build` makes the tree of a
fitted model; `names` knows what the entries of the modes are called. `outline`, `page` and `export` turn a tree into an outline for
notebooks, an interactive page, and dictionaries, graphs and tables.
"""

from hntf.trees.build import topic_tree
from hntf.trees.names import checked_names, named_features
from hntf.trees.topic import Topic, TopicForest, TopicTree

__all__ = ["Topic", "TopicForest", "TopicTree", "checked_names", "named_features", "topic_tree"]
