"""Reads lines of JSON, each a benchmark that has absl's flags and its arguments, and says what is wrong with each.

It is a process of its own, because benchmarks define flags of the same names: each is imported anew.
"""

import importlib
import json
import sys

from absl import flags
from absl.testing import flagsaver

from mcsan_jax.config import from_config_dict
from mcsan_jax.errors import InputError

for line in sys.stdin:
    module, *arguments = json.loads(line)
    answer: dict[str, object] = {"error": "", "flags": []}
    # Takes away in the end what was defined in between.
    with flagsaver.flagsaver():
        sys.argv = [module, *arguments]
        importlib.import_module(module)
        answer["flags"] = list(flags.FLAGS)
        try:
            rest = flags.FLAGS(sys.argv)[1:]
            answer["error"] = f"unexpected arguments: {rest}" if rest else ""
            if "config" in flags.FLAGS:
                from_config_dict(flags.FLAGS["config"].value)
        except (flags.Error, InputError, AttributeError, KeyError, OSError, ValueError) as error:
            answer["error"] = str(error)
    for name in [name for name in sys.modules if name.startswith("benchmarks")]:
        del sys.modules[name]
    print(json.dumps(answer), flush=True)
