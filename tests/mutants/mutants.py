"""Forty-two faults, one changed line each, that the tests must notice.

Each stands for a kind of mistake that is easily made in its place: a sign, a mask, an axis, a collective, a rule for
ties, a leak between splits, an error that is swallowed. All of them change what the program does.
"""

import dataclasses
import pathlib


class NotFoundOnce(Exception):
    """A mutant's old text does not occur exactly once in its file."""


@dataclasses.dataclass(frozen=True)
class Mutant:
    """A fault.

    Attributes:
        name: says what goes wrong.
        file: relative to the repository.
        old: a fragment of the file, which occurs in it once.
        new: what stands there instead.
        tests: files and folders of tests, relative to `tests`, of which one at least must fail.
    """

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]

    def mutated(self, repository: pathlib.Path) -> str:
        """The text of the file with the fault.

        Raises:
            NotFoundOnce: the fragment is not there exactly once.
        """
        text = (repository / self.file).read_text(encoding="utf-8")
        if text.count(self.old) != 1:
            raise NotFoundOnce(
                f"{self.name}: {self.old!r} occurs {text.count(self.old)} times in {self.file}, expected once; "
                "write the mutant anew for the code of today"
            )
        return text.replace(self.old, self.new)


SCORING = (
    Mutant(
        "the divergence has the wrong sign",
        "mcsan_jax/scoring/loss_formulas.py",
        "jnp.exp(target) * (target - other)",
        "jnp.exp(target) * (other - target)",
        ("scoring/test_attribute_losses.py",),
    ),
    Mutant(
        "gamma is ignored for attributes that are there",
        "mcsan_jax/scoring/loss_formulas.py",
        "jnp.exp(gamma * log_not_p) * log_p",
        "jnp.exp(log_not_p) * log_p",
        ("scoring/test_attribute_losses.py",),
    ),
    Mutant(
        "the triplet's margin has the wrong sign",
        "mcsan_jax/scoring/loss_formulas.py",
        "jax.nn.relu(margin - matched[:, None] + scores)",
        "jax.nn.relu(-margin - matched[:, None] + scores)",
        ("scoring/test_ranking_losses.py",),
    ),
    Mutant(
        "the temperature of InfoNCE multiplies",
        "mcsan_jax/scoring/loss_formulas.py",
        "logits = scores / temperature",
        "logits = scores * temperature",
        ("scoring/test_ranking_losses.py",),
    ),
    Mutant(
        "padded frames are attended to",
        "mcsan_jax/scoring/frame_attention.py",
        "jnp.where(frames.mask[:, :, None], frames.vectors, 0)",
        "frames.vectors",
        ("scoring/test_frame_attention.py",),
    ),
)

MODELS = (
    Mutant(
        "a relationship is made of its source twice",
        "mcsan_jax/models/text_encoder.py",
        "_gather_nodes(nodes, jnp.asarray(texts.edge_target))",
        "_gather_nodes(nodes, jnp.asarray(texts.edge_source))",
        ("models",),
    ),
    Mutant(
        "the motion of regions is their mean",
        "mcsan_jax/models/video_encoder.py",
        "return jnp.max(nn.gelu(moved + places[None, :, None]), axis=1)",
        "return jnp.mean(nn.gelu(moved + places[None, :, None]), axis=1)",
        ("models",),
    ),
    Mutant(
        "attention is a softmax over the queries",
        "mcsan_jax/models/layers.py",
        "jax.nn.softmax(jnp.where(mask, logits, _LOWEST), axis=-1)",
        "jax.nn.softmax(jnp.where(mask, logits, _LOWEST), axis=max(logits.ndim - 2, 0))",
        ("models",),
    ),
    Mutant(
        "a token of the linear branch counts as often as it stands there",
        "mcsan_jax/models/linear_branch.py",
        "return (mask & ~repeated).astype(jnp.float32)",
        "return mask.astype(jnp.float32)",
        ("models/test_linear_branch.py",),
    ),
)

TRAINING = (
    Mutant(
        "captions of the same text are negatives",
        "mcsan_jax/training/objective.py",
        "positives = matched | same_text",
        "positives = matched",
        ("training/test_objective.py",),
    ),
    Mutant(
        "the ring does not pass the gradient on",
        "mcsan_jax/training/exchange.py",
        "return (own, _pass_on((vectors, rest, gradient), axis)), None",
        "return (own, (*_pass_on((vectors, rest), axis), gradient)), None",
        ("training/test_objective.py",),
    ),
    Mutant(
        "biases decay like matrices",
        "mcsan_jax/training/optimizers.py",
        "return names[-1] in _DECAYED and not {ROLES, MODIFIER_KINDS} & set(names)",
        "return not {ROLES, MODIFIER_KINDS} & set(names)",
        ("training/test_optimizers.py",),
    ),
    Mutant(
        "the learning rate has no schedule",
        "mcsan_jax/training/optimizers.py",
        "own = _adamw(config, schedule)",
        "own = _adamw(config, lambda _: config.learning_rate)",
        ("training/test_optimizers.py",),
    ),
    Mutant(
        "the moving average keeps what it should replace",
        "mcsan_jax/training/optimizers.py",
        "share = 1 - jnp.minimum(decay,",
        "share = jnp.minimum(decay,",
        ("training/test_optimizers.py",),
    ),
    Mutant(
        "the mean target knows the video that is left out",
        "mcsan_jax/models/ridge_map.py",
        "1.0 - 1.0 / count - _row_products(fitted, left)",
        "1.0 - _row_products(fitted, left)",
        ("models/test_linear_fit.py",),
    ),
    Mutant(
        "the worst checkpoint is the best",
        "mcsan_jax/training/checkpointing.py",
        "max(scored, default=None)",
        "min(scored, default=None)",
        ("training/test_checkpointing.py",),
    ),
    Mutant(
        "a resumed run skips a step's batch",
        "mcsan_jax/training/train_loop.py",
        "batches.from_step(start), total - start)",
        "batches.from_step(start + (start > 0)), total - start)",
        ("training/test_train_loop.py",),
    ),
)

EVALUATION = (
    Mutant(
        "ties are resolved in our favour",
        "mcsan_jax/ranking/ranks.py",
        "return self.greater + (self.tied + 1) / (self.relevant + 1)",
        "return self.greater + 1.0",
        ("ranking/test_metrics.py", "ranking/test_ranks.py"),
    ),
    Mutant(
        "what scores the same stands above",
        "mcsan_jax/ranking/ranks.py",
        "self._text_counts[0, texts] += count_in_columns(block > best)",
        "self._text_counts[0, texts] += count_in_columns(block >= best)",
        ("ranking/test_ranks.py",),
    ),
    Mutant(
        "the mean rank is the median",
        "mcsan_jax/ranking/metrics.py",
        '"MnR": float(np.mean(expected))',
        '"MnR": float(np.median(expected))',
        ("ranking/test_metrics.py",),
    ),
    Mutant(
        "Holm's correction is not monotone",
        "mcsan_jax/evaluation/significance.py",
        "largest = max(largest, min(1.0, (len(p_values) - i) * p))",
        "largest = min(1.0, (len(p_values) - i) * p)",
        ("evaluation/test_significance.py",),
    ),
    Mutant(
        "the bootstrap draws captions",
        "mcsan_jax/evaluation/significance.py",
        "    directions, videos = _numbered(directions)\n    rng = np.random.default_rng(seed)\n    drawn",
        "    directions, videos = _numbered({name: dataclasses.replace(each, videos=np.arange(len(each.ranks)))"
        " for name, each in directions.items()})\n    rng = np.random.default_rng(seed)\n    drawn",
        ("evaluation/test_significance.py",),
    ),
    Mutant(
        "a hub is judged by its nearest query alone",
        "mcsan_jax/evaluation/hubness.py",
        "BestItems(min(neighbours, bank.shape[1]), *bank.shape)",
        "BestItems(min(1, bank.shape[1]), *bank.shape)",
        ("evaluation/test_hubness.py",),
    ),
    Mutant(
        "rounded scores tie in TREC's files",
        "mcsan_jax/evaluation/trec.py",
        "{score:.9g}",
        "{score:.6g}",
        ("evaluation/test_trec.py",),
    ),
    Mutant(
        "captions that differ in case are no duplicates",
        "data_pipeline/text/same_text.py",
        'return re.sub(WHITE_SPACE, " ", text.lower())',
        'return re.sub(WHITE_SPACE, " ", text)',
        ("ranking/test_relevance.py",),
    ),
)

USE = (
    Mutant(
        "nodes beyond the last token are kept",
        "data_pipeline/batches/text_layout.py",
        "kept = real & (span[..., 0] < limits.max_tokens)",
        "kept = real.copy()",
        ("data_pipeline/batches/test_text_layout.py",),
    ),
    Mutant(
        "captions are HTML in the report",
        "mcsan_jax/report/page.py",
        "autoescape=True",
        "autoescape=False",
        ("report/test_report_content.py",),
    ),
    Mutant(
        "unknown keys of a config are dropped in silence",
        "data_pipeline/host/typed_values.py",
        'extra="forbid"',
        'extra="ignore"',
        ("test_config.py",),
    ),
    Mutant(
        "results are written in place",
        "data_pipeline/host/files.py",
        'partial = path.with_name(f".{path.name}.partial")',
        "partial = path",
        ("test_files_appear_whole.py",),
    ),
)

ANNOTATIONS_AND_CAPTIONS = (
    Mutant(
        "clips of one source are in training and in validation",
        "data_pipeline/annotations/msrvtt.py",
        "clips.setdefault(source, []).append(video_id)",
        "clips.setdefault(video_id, []).append(video_id)",
        ("data_pipeline/annotations/test_msrvtt.py",),
    ),
    Mutant(
        "attributes are counted in all splits",
        "data_pipeline/preparation/runner.py",
        "attributes_of(graphs) if video.split == TRAIN else ()",
        "attributes_of(graphs)",
        ("data_pipeline/preparation/test_survey.py",),
    ),
    Mutant(
        "the subject of a passive verb acts",
        "data_pipeline/graphs/rules.py",
        "role = RECIPIENT if receives else PATIENT if passive else AGENT",
        "role = RECIPIENT if receives else AGENT",
        ("data_pipeline/graphs/test_parser.py",),
    ),
    Mutant(
        "graphs of another parser are taken from the cache",
        "data_pipeline/graphs/cache.py",
        'json.dumps({"schema_version": SCHEMA_VERSION, **identity}, sort_keys=True)',
        'json.dumps({"schema_version": SCHEMA_VERSION}, sort_keys=True)',
        ("data_pipeline/graphs/test_cache.py",),
    ),
    Mutant(
        "a written [PAD] is padding",
        "data_pipeline/text/wordpiece.py",
        "[self.unknown_id if token == PAD_ID else token for token in encoding.ids]",
        "list(encoding.ids)",
        ("data_pipeline/text/test_wordpiece.py", "data_pipeline/text/test_tokenizers.py"),
    ),
)

FEATURES_AND_RECORDS = (
    Mutant(
        "features that are not numbers are taken",
        "data_pipeline/features/source.py",
        "finite = np.isfinite(array)",
        "finite = ~np.isinf(array)",
        ("data_pipeline/features/test_checks.py",),
    ),
    Mutant(
        "features beyond float16 are taken",
        "data_pipeline/features/source.py",
        "beyond = np.abs(array) > _LARGEST",
        "beyond = array > _LARGEST",
        ("data_pipeline/features/test_checks.py",),
    ),
    Mutant(
        "the last frame is never sampled",
        "data_pipeline/batches/decoding.py",
        "step = last / tf.cast(tf.maximum(kept - 1, 1), tf.float64)",
        "step = last / tf.cast(tf.maximum(kept, 1), tf.float64)",
        ("data_pipeline/batches/test_input_pipeline.py",),
    ),
    Mutant(
        "frames have the times of the first frames",
        "data_pipeline/batches/decoding.py",
        "index = _uniform_indices(known, kept, limits.max_frames)",
        "index = _uniform_indices(tf.minimum(known, kept), kept, limits.max_frames)",
        ("data_pipeline/batches/test_input_pipeline.py",),
    ),
    Mutant(
        "the seed does not decide the order of the videos",
        "data_pipeline/batches/order.py",
        "seeds = [self._seed, epoch]",
        "seeds = [0, epoch]",
        ("data_pipeline/batches/test_record_order.py",),
    ),
    Mutant(
        "every process has the first rows of a batch",
        "data_pipeline/batches/pipeline.py",
        "process_index * batch_size // process_count, (process_index + 1) * batch_size // process_count",
        "0, batch_size // process_count",
        ("data_pipeline/batches/test_train_batches.py",),
    ),
    Mutant(
        "a damaged record ends the data in silence",
        "data_pipeline/records/record_files.py",
        "except damage as error:\n        raise damage_report(files) from error",
        "except damage:\n        return",
        ("data_pipeline/records/test_record_files.py",),
    ),
    Mutant(
        "checksums are not compared",
        "data_pipeline/host/files.py",
        "if found != expected:",
        "if not found:",
        ("data_pipeline/inspection",),
    ),
)

MUTANTS = (
    *SCORING,
    *MODELS,
    *TRAINING,
    *EVALUATION,
    *USE,
    *ANNOTATIONS_AND_CAPTIONS,
    *FEATURES_AND_RECORDS,
)
