"""A three-level model in PyTorch, written as its description has it, to check ours against and to time beside it.

It follows HGR (Chen et al., Fine-grained Video-Text Retrieval with Hierarchical Graph Reasoning, CVPR 2020): global,
entity and action level, a sentence node in the graph, and a similarity that builds the attended vector of every pair.
It needs the extra ``bench``, that is PyTorch, whose build for CPUs suffices.
"""
