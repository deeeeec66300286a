from tests.support.memory_split import matrices, setting, split

__all__ = ["matrices", "setting", "split"]
