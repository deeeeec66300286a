"""A few captions that show how different semantic graphs are, kept while the records pass by."""

from data_pipeline.builders.record import EncodedCaption, VideoRecord

EXAMPLES_PER_KIND = 4


class CaptionExamples:
    """Keeps the first captions of each number of relationships, each from another video."""

    def __init__(self) -> None:
        self._by_size: dict[int, list[EncodedCaption]] = {}
        self._texts: set[str] = set()

    def add(self, record: VideoRecord) -> None:
        """Looks at the captions of a record."""
        seen: set[int] = set()
        for caption in record.captions:
            size = len(caption.edges)
            kept = self._by_size.setdefault(size, [])
            if len(kept) < EXAMPLES_PER_KIND and size not in seen and caption.text not in self._texts:
                seen.add(size)
                self._texts.add(caption.text)
                kept.append(caption)

    def chosen(self, median: int) -> dict[str, list[EncodedCaption]]:
        """Captions by what they are examples of; ``median`` is the median number of relationships."""
        without = self._by_size.get(0, [])
        sizes = sorted(size for size in self._by_size if size)
        largest = [caption for size in reversed(sizes) for caption in self._by_size[size]]
        most = largest[:EXAMPLES_PER_KIND]
        around = sorted(sizes, key=lambda size: abs(size - median))
        typical = [caption for size in around for caption in self._by_size[size] if caption not in most]
        return {
            "Most relationships": most,
            f"About the median ({median})": typical[:EXAMPLES_PER_KIND],
            "No relationship": without[:EXAMPLES_PER_KIND],
        }
