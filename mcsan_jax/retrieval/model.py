"""This module is a trained model as a library: it encodes videos and texts, compares them, and saves itself.

It needs no prepared data and no TensorFlow.
"""

import functools
import pathlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import jax

from data_pipeline.host.progress_bar import track_if
from data_pipeline.prepared_data import GivenVideos, Manifest, QueryParser
from mcsan_jax.calibration.calibration import Calibration, read_calibration
from mcsan_jax.config import Config
from mcsan_jax.data_sizes import batch_limits
from mcsan_jax.encodings import ScoringParameters
from mcsan_jax.ranking.block_scores import BlockScorer
from mcsan_jax.ranking.collection import TextCollection
from mcsan_jax.ranking.encode_split import Encoders, Variables, encode_videos
from mcsan_jax.retrieval.embeddings import (
    TextEmbeddings,
    VideoEmbeddings,
    as_texts,
    check_batch_size,
    check_embeddings,
)
from mcsan_jax.retrieval.explain import Explanation, ReadText, explain_text
from mcsan_jax.retrieval.hub import upload
from mcsan_jax.retrieval.model_folder import (
    EncoderReference,
    is_model_folder,
    open_model_folder,
    write_model_folder,
)
from mcsan_jax.retrieval.similarity_matrix import SimilarityMatrix, check_row
from mcsan_jax.retrieval.zero_shot_model import is_image_text_folder, open_zero_shot
from mcsan_jax.sharding import whole_rows

if TYPE_CHECKING:
    from mcsan_jax.runs.open import TrainedRun


class Mcsan:
    """A trained model.

    Attributes:
        config: the configuration that it was trained with.
        manifest: what describes its inputs: streams of features, tokenizer, roles, attributes, parser.
        step: the training step of its parameters.
        variables: parameters and statistics.
        encoders: the compiled encoders.
        licence: terms of the annotations that it was trained on; empty where unknown.
        card: text of the model card; empty where there is none.
        calibration: turns scores into probabilities; None where none was fitted.
    """

    def __init__(
        self,
        config: Config,
        manifest: Manifest,
        variables: Variables,
        texts_from: pathlib.Path,
        *,
        encoders: Encoders,
        step: int = 0,
        licence: str = "",
        card: str = "",
        published: EncoderReference | None = None,
        calibration: Calibration | None = None,
    ) -> None:
        """Puts a model together; `from_pretrained` opens one.

        Args:
            config: the configuration, with every limit of a caption.
            manifest: of the data that the model was trained on.
            variables: parameters and statistics.
            texts_from: folder with the files of the tokenizer and of the attributes, as the manifest names them.
            encoders: the compiled encoders.
            step: of the training.
            licence: terms of the annotations that it was trained on.
            card: text of the model card.
            published: the published text encoder, where the model was opened from its own folder.
            calibration: of its scores.
        """
        self.config, self.manifest, self.step, self.licence, self.card = config, manifest, step, licence, card
        self.variables, self.encoders, self._texts_from = variables, encoders, texts_from
        self._published, self.calibration = published, calibration

    @classmethod
    def from_pretrained(
        cls, name: str | pathlib.Path, devices: Sequence[jax.Device] | None = None
    ) -> "Mcsan":
        """Opens a trained model.

        Args:
            name: a model folder (`save_pretrained`, `mcsan export --to=model`), the folder of a run, ``demo`` (the
                model that comes with the package), the name of a model that is in the local cache of the Hugging
                Face hub, or the folder of an image-text encoder (CLIP, SigLIP), which is a model without training.
            devices: on which it runs; by default all.

        Raises:
            InputError: there is no such model, or a file of it is missing, damaged or of a newer version.
        """
        from mcsan_jax.retrieval.find_model import find_model

        folder = find_model(name)
        if is_image_text_folder(folder):
            made = open_zero_shot(folder, devices)
            model = cls(
                made.config, made.manifest, made.variables, made.texts, encoders=made.encoders, card=made.card
            )
            made.keep_texts(model)
            return model
        if not is_model_folder(folder):
            from mcsan_jax.runs.open import open_run

            return cls.of_run(open_run(folder, devices=devices))
        opened = open_model_folder(folder, devices)
        return cls(
            opened.config,
            opened.manifest,
            opened.variables,
            folder,
            encoders=opened.encoders,
            step=opened.description.step,
            licence=opened.description.licence,
            card=opened.card,
            published=opened.description.encoder,
            calibration=opened.calibration,
        )

    @classmethod
    def of_run(cls, run: "TrainedRun") -> "Mcsan":
        """Takes the model of an opened run."""
        experiment = run.experiment
        return cls(
            experiment.config,
            experiment.manifest,
            run.variables,
            run.data,
            encoders=experiment.encoders,
            step=run.step,
            licence=run.licence,
            calibration=read_calibration(run.folder.folder, run.step),
        )

    def save_pretrained(
        self, folder: str | pathlib.Path, *, include_encoder: bool = False, dtype: str = "float32"
    ) -> None:
        """Writes the model as a folder that `from_pretrained` opens, anywhere.

        Args:
            folder: a new or empty one, or that of an earlier model.
            include_encoder: whether a frozen text encoder is carried along; else it must be installed where it opens.
            dtype: in which numbers are kept; with ``float16`` the folder has half the size, and scores are rounded.

        Raises:
            InputError: the folder holds something else, or cannot be written, or there is no such dtype.
        """
        write_model_folder(
            pathlib.Path(folder),
            self.config,
            self.manifest,
            self._texts_from,
            jax.device_get(self.variables),
            step=self.step,
            card=self.card,
            licence=self.licence,
            encoder=self._published,
            include_encoder=include_encoder,
            dtype=dtype,
            calibration=self.calibration,
            zero_shot=self.encoders.network.zero_shot,
        )

    def push_to_hub(
        self, repo_id: str, *, include_encoder: bool = False, dtype: str = "float32", **options: Any
    ) -> str:
        """Uploads the folder that `save_pretrained` writes to the Hugging Face hub; see `hub.upload`."""
        save = functools.partial(self.save_pretrained, include_encoder=include_encoder, dtype=dtype)
        return upload(save, repo_id, **options)

    @functools.cached_property
    def parser(self) -> QueryParser:
        """Parses texts as those of the training were parsed."""
        return QueryParser(self._texts_from, self.manifest, batch_limits(self.config.data))

    @functools.cached_property
    def scoring_parameters(self) -> ScoringParameters:
        """Level weights, temperature and the share of the linear branch."""
        return self.encoders.scoring_parameters(self.variables)

    def encode_document(
        self,
        features: Any,
        *,
        batch_size: int = 16,
        frame_rate: float | None = None,
        show_progress: bool | None = None,
        only: Sequence[str] | None = None,
    ) -> VideoEmbeddings:
        """Encodes videos.

        Args:
            features: an array [frames, dim] (with regions [frames, regions, dim]) by video id, or the path of an HDF5
                file, an .npz archive, a folder of either or of .npy files, or one .npy file; with several streams a
                mapping of these by the name of the stream.
            batch_size: how many are encoded at a time. The embedding of a video does not depend on the others.
            frame_rate: frames per second, where the features tell no times.
            show_progress: whether progress is shown; by default for long work.
            only: the ids of the videos to be encoded; by default all.

        Returns:
            Embeddings in the order of `only` or the mapping, or of the sorted ids where the features come from files.

        Raises:
            InputError: names every video whose features cannot be used, and what was expected.
        """
        limits = batch_limits(self.config.data)
        videos = GivenVideos(features, self.manifest, limits, frame_rate, show_progress, only)
        size = self._rows(batch_size)
        encoded = encode_videos(self.encoders, self.variables, videos, size, "given")
        return VideoEmbeddings.of(encoded, videos.frame_times)

    encode_video = encode_document

    def encode_query(
        self, texts: str | Sequence[str], *, batch_size: int = 16, show_progress: bool | None = None
    ) -> TextEmbeddings:
        """Encodes texts: parses each into its graph and encodes its words and nodes.

        Args:
            texts: sentences; a single one may be given as it is.
            batch_size: how many are encoded at a time. The embedding of a text does not depend on the others.
            show_progress: whether progress is shown; by default for long work.

        Raises:
            InputError: a text is empty, or no text, or the parser of the training is not installed.
        """
        given = as_texts(texts)
        queries = self.parser.parse(given)
        size = self._rows(batch_size)
        starts = range(0, len(queries), size)

        def encoded() -> Iterator[tuple[int, Any]]:
            for start in track_if(show_progress, starts, len(starts), "encoding texts"):
                chunk = queries[start : start + size]
                normalised, _ = self.encoders.texts(self.variables, self.parser.batch(chunk, size))
                yield len(chunk), normalised

        return TextEmbeddings.of(given, TextCollection.gather(encoded()))

    encode_text = encode_query

    def similarity(self, texts: TextEmbeddings, videos: VideoEmbeddings) -> SimilarityMatrix:
        """Compares every text with every video.

        Returns:
            The fused scores, float32 [texts, videos], with the scores of each level and explanations.

        Raises:
            InputError: an argument is something else.
        """
        check_embeddings(texts, videos)
        scorer = BlockScorer(
            videos.collection,
            texts.collection,
            self.scoring_parameters,
            self.config,
            mesh=self.encoders.local_mesh,
        )
        return SimilarityMatrix.of(scorer, lambda text, video: self.explain(texts.texts[text], videos, video))

    def explain(self, text: str, videos: VideoEmbeddings, row: int) -> Explanation:
        """Explains the score of a text and a video: which phrase met which frame, and what each word adds.

        Args:
            text: any sentence.
            videos: encoded videos.
            row: number of the video among them.

        Raises:
            InputError: the text is empty or no text, or there is no such video.
        """
        check_row(row, len(videos), "videos")
        (query,) = self.parser.parse(as_texts([text]))
        batch = self.parser.batch([query], self._rows(1))
        encoded, _ = self.encoders.texts(self.variables, batch)
        read = ReadText(query, encoded, self.encoders.linear_tokens(self.variables, batch))
        return explain_text(read, videos, row, self.scoring_parameters, self.config)

    def _rows(self, batch_size: int) -> int:
        """Returns a batch size that the devices divide."""
        check_batch_size(batch_size)
        return whole_rows(batch_size, self.encoders.local_mesh)
