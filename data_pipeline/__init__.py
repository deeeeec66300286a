"""From annotations and features to batches.

The rooms, from the ground up:

* ``errors``, ``levels``: words that all rooms use; ``host``: files, progress, typed input, TensorFlow.
* ``manifest``: what a prepared folder holds.
* ``graphs``: captions → semantic graphs, and the attributes in them.
* ``annotations``: captions and splits of each source, a module a source.
* ``features``: frame features from files, their times and their streams.
* ``text``: tokenizers and word vectors.
* ``records``: the layout of a video's record (``schema``), its making, writing and reading.
* ``batches``: records, or free text, → padded batches.
* ``preparation``: runs all this once, on this machine or with Beam; ``prepare`` is its command.
* ``moving_shapes``: the embedded data set.
* ``prepared_data``: the door through which a model takes prepared data.
* ``inspection``: checks and shows prepared data; ``inspect`` is its command.
"""
