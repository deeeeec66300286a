"""Chooses the reader of precomputed features by what lies at a path."""

import pathlib
from collections.abc import Callable

from data_pipeline.errors import InputError
from data_pipeline.features import hdf5, numpy_files
from data_pipeline.features.source import FeatureSource

_FOLDERS: dict[str, Callable[[pathlib.Path, float | None], FeatureSource]] = {
    numpy_files.NPY: numpy_files.NpyFolderFeatures,
    numpy_files.NPZ: numpy_files.NpzFolderFeatures,
    **dict.fromkeys(hdf5.ENDINGS, hdf5.Hdf5FolderFeatures),
}


def open_features(path: pathlib.Path, frame_rate: float | None = None) -> FeatureSource:
    """Opens features: an HDF5 file, an .npz archive, or a folder of .npy, .npz or HDF5 files.

    Args:
        path: file or folder.
        frame_rate: frames per second, for sources that do not tell the times of their frames; frame ``i`` is then
            at ``(i + 0.5) / frame_rate`` seconds.

    Raises:
        InputError: there is no such path, it holds no features, or a folder holds files of several kinds.
    """
    if path.is_dir():
        return _open_folder(path, frame_rate)
    if not path.is_file():
        raise InputError(
            f"{path}: no such file or folder; give an HDF5 file, an .npz archive or a folder of such files or of "
            ".npy files"
        )
    if path.suffix == numpy_files.NPZ:
        return numpy_files.NpzFileFeatures(path, frame_rate)
    if path.suffix == numpy_files.NPY:
        raise InputError(f"{path}: the features of one video; give the folder of the <video_id>.npy files")
    return hdf5.Hdf5Features(path, frame_rate)


def _open_folder(folder: pathlib.Path, frame_rate: float | None) -> FeatureSource:
    names = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    # One file of each kind, to name it.
    found = {_FOLDERS[ending]: name for name in names if (ending := pathlib.Path(name).suffix) in _FOLDERS}
    if not found:
        raise InputError(
            f"{folder}: no {', '.join(_FOLDERS)} files in this folder; expected one <video_id>.npy or "
            f"<video_id>.npz per video, or HDF5 files, found {', '.join(names[:5]) or 'nothing'}"
        )
    if len(found) > 1:
        raise InputError(
            f"{folder}: features of several kinds, such as {' and '.join(sorted(found.values()))}; put each kind "
            "into a folder of its own"
        )
    return next(iter(found))(folder, frame_rate)
