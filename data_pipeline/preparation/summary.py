"""This module says in a few lines what a preparation reports."""

from collections.abc import Mapping
from typing import Any

from data_pipeline.errors import first_few
from data_pipeline.preparation.prepare_folder import REPORT_NAME
from data_pipeline.preparation.selection import OMISSIONS, omission_lines


def summarize(report: dict[str, Any]) -> str:
    """The report in a few lines; its warnings were printed before the captions were parsed."""
    splits = ", ".join(
        f"{name} {split['videos']} videos / {split['captions']} captions"
        for name, split in report["splits"].items()
    )
    attributes = ", ".join(f"{size} {level}" for level, size in report["attributes"].items())
    omitted = ", ".join(f"{key.replace('_', ' ')} {len(report[key])}" for key in OMISSIONS)
    longest = ", ".join(f"{most} {part}" for part, most in report["longest_caption"].items())
    lines = [
        f"{report['dataset']} ({report['protocol']}): {splits}",
        f"different texts: parsed now {report['captions_parsed_now']}, from the cache {report['captions_from_cache']}",
        f"captions without entity {report['captions_without_entity']}, without action "
        f"{report['captions_without_action']}",
        f"a caption has at most {longest}; training cuts longer ones than --config.data.max_tokens and so on",
        f"tokens {report['tokenizer']['size']} ({report['tokenizer']['kind']}); attributes: {attributes}",
    ]
    lines += [_foil_line(split, report["splits"][split], foils) for split, foils in report["foils"].items()]
    if choice := report["tokenizer"]["choice"]:
        lines.append(choice)
    if missing := report["words_without_vector"]:
        lines.append(f"words without a vector: {first_few(missing)}")
    lines.append(f"{omitted} (ids in {REPORT_NAME})")
    lines += omission_lines(report).values()
    return "\n".join(lines + [f"advice: {advice}" for advice in report["advice"]])


def _foil_line(split: str, size: Mapping[str, int], foils: Mapping[str, Any]) -> str:
    kinds = ", ".join(f"{kind} {number:,}" for kind, number in foils["kinds"].items())
    return (
        f"foils of {split} {size['foils']:,} ({kinds}); "
        f"{foils['captions_without_foil']:,} of {size['captions']:,} captions have none"
    )
