"""MSR-VTT, split 1k-A (JSFusion): 1,000 test videos with one caption each; validation videos carved from training."""

import ml_collections

from configs import msrvtt


def get_config(size: str = "full") -> ml_collections.ConfigDict:
    """Sizes as in `configs/msrvtt.py`."""
    config = msrvtt.get_config(size)
    config.name = config.name.replace("msrvtt", "msrvtt_1ka")
    config.data.dir = "data/msrvtt_1ka"
    config.data.test_split = "test"
    config.data.prepare_hint = (
        "MSR-VTT's annotations are train_val_videodatainfo.json and test_videodatainfo.json (plain or .gz), with the lists "
        "MSRVTT_train.9k.csv and MSRVTT_JSFUSION_test.csv beside them. Prepare them with\n"
        "  python -m data_pipeline.prepare --dataset=msrvtt --annotations=FOLDER --features=FILE --protocol=1k-A "
        "--out=data/msrvtt_1ka"
    )
    return config
