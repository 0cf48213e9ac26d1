"""Pictures: the layouts users have, which are chosen, how they are seen, and what is said of bad ones."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from advatlas.data.imagenet import IMAGENET, IMAGENET_SAMPLE, find
from advatlas.data.pictures import Picture, choose_pictures, decode, from_class_folders
from advatlas.data.views import View
from advatlas.errors import AdvatlasError
from advatlas.resources.imagenet_classes import wnids


def jpeg(colour: int = 100, mode: str = "RGB", size: tuple[int, int] = (40, 30)) -> bytes:
    buffer = io.BytesIO()
    Image.effect_noise(size, 30).convert(mode).point(lambda v: (v + colour) % 256).save(buffer, "JPEG")
    return buffer.getvalue()


def write(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def listed(pictures: list[Picture]) -> dict[str, int]:
    return {picture.id: picture.label for picture in pictures}


def test_csv(tmp_path):
    write(tmp_path / "imagenet" / "a" / "x.jpg", jpeg())
    (tmp_path / "imagenet" / "labels.csv").write_text("file,wnid,label\na/x.jpg,n01440764,7\n")
    assert listed(find(tmp_path)) == {"x": 7}
    (tmp_path / "imagenet" / "labels.csv").write_text("file,label\na/x.jpg,1000\n")
    with pytest.raises(AdvatlasError, match=r"labels.csv: line 2: the label 1000 is out of range: 0 to 999"):
        find(tmp_path)
    (tmp_path / "imagenet" / "labels.csv").write_text("file,label\na/y.jpg,1\n")
    with pytest.raises(AdvatlasError, match=r"line 2: .*y.jpg: no such file"):
        find(tmp_path)
    (tmp_path / "imagenet" / "labels.csv").write_text("name,label\na/y.jpg,1\n")
    with pytest.raises(AdvatlasError, match="expected the columns file and label"):
        find(tmp_path)


def test_class_folders_must_be_all_and_no_other(tmp_path):
    for name in ("n01", "n02", "n03"):
        write(tmp_path / name / f"{name}_1.JPEG", jpeg())
    write(tmp_path / "n02" / "notes.txt", b"")
    assert listed(from_class_folders(tmp_path, ["n01", "n02", "n03"])) == {"n01_1": 0, "n02_1": 1, "n03_1": 2}
    with pytest.raises(AdvatlasError, match=r"1 of the 4 class folders are missing: \['n04'\]"):
        from_class_folders(tmp_path, ["n01", "n02", "n03", "n04"])
    with pytest.raises(AdvatlasError, match=r"1 folders are none of the 2 classes: \['n03'\]"):
        from_class_folders(tmp_path, ["n01", "n02"])
    # 320 of 1,000 folders: numbering those found would give wrong labels without a word.
    write(tmp_path / "data" / "val" / wnids()[5] / "x.JPEG", jpeg())
    with pytest.raises(AdvatlasError, match="999 of the 1000 class folders are missing"):
        find(tmp_path / "data")


@pytest.mark.parametrize("kind", ["synsets", "caffe", "kaggle"])
def test_a_flat_folder_with_its_ground_truth(tmp_path, kind):
    names = [f"ILSVRC2012_val_0000000{k}" for k in (1, 2, 3)]
    for name in names:
        write(tmp_path / "val" / f"{name}.JPEG", jpeg())
    if kind == "synsets":
        (tmp_path / "imagenet_2012_validation_synset_labels.txt").write_text(
            f"{wnids()[3]}\n{wnids()[0]}\n{wnids()[999]}\n"
        )
    elif kind == "caffe":
        (tmp_path / "val.txt").write_text("".join(f"{n}.JPEG {v}\n" for n, v in zip(names, (3, 0, 999), strict=True)))
    else:
        rows = "".join(f"{n},{wnids()[v]} 1 2 3 4\n" for n, v in zip(names, (3, 0, 999), strict=True))
        (tmp_path / "LOC_val_solution.csv").write_text("ImageId,PredictionString\n" + rows)
    assert listed(find(tmp_path)) == dict(zip(names, (3, 0, 999), strict=True))
    (tmp_path / "val" / f"{names[0]}.JPEG").unlink()
    with pytest.raises(AdvatlasError, match=r"1 of 3 pictures are missing: \['ILSVRC2012_val_00000001'\]"):
        find(tmp_path)


def test_the_development_kit_numbers_classes_in_its_own_order(tmp_path):
    from scipy.io import savemat

    write(tmp_path / "val" / "ILSVRC2012_val_00000001.JPEG", jpeg())
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "ILSVRC2012_validation_ground_truth.txt").write_text("2\n")
    synsets = np.array([(1, wnids()[10]), (2, wnids()[44])], dtype=[("ILSVRC2012_ID", object), ("WNID", object)])
    savemat(tmp_path / "data" / "meta.mat", {"synsets": synsets})
    assert listed(find(tmp_path)) == {"ILSVRC2012_val_00000001": 44}
    (tmp_path / "data" / "meta.mat").unlink()
    with pytest.raises(AdvatlasError, match=r"meta.mat: needed to read .* cannot be read"):
        find(tmp_path)


def test_no_ground_truth_and_no_layout(tmp_path):
    write(tmp_path / "val" / "ILSVRC2012_val_00000001.JPEG", jpeg())
    with pytest.raises(AdvatlasError, match="no ground truth beside it"):
        find(tmp_path)
    assert not IMAGENET.present(tmp_path / "nowhere")
    with pytest.raises(AdvatlasError, match="no layout that is known"):
        find(tmp_path / "nowhere")


def test_shards(tmp_path):
    encoded = [jpeg(10), jpeg(20), jpeg(30)]
    table = pa.table({"image": [{"bytes": b, "path": None} for b in encoded], "label": [5, 6, 7]})
    (tmp_path / "hub").mkdir()
    pq.write_table(table, tmp_path / "hub" / "validation-00000-of-00001.parquet")
    (tmp_path / "tar").mkdir()
    with tarfile.open(tmp_path / "tar" / "imagenet1k-validation-00.tar", "w") as archive:
        for key, (content, label) in enumerate(zip(encoded, (5, 6, 7), strict=True)):
            for name, data in ((f"{key}.jpg", content), (f"{key}.cls", str(label).encode())):
                member = tarfile.TarInfo(name)
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))
    view = View(24, 1.0, "bicubic")
    from_hub, from_tar = find(tmp_path / "hub"), find(tmp_path / "tar")
    assert [p.label for p in from_hub] == [p.label for p in from_tar] == [5, 6, 7]
    assert np.array_equal(decode(from_hub, view), decode(from_tar, view))
    assert np.array_equal(decode(from_hub[::-1], view), decode(from_hub, view)[::-1])
    bad = table.set_column(1, "label", pa.array([5, 6, -1]))
    pq.write_table(bad, tmp_path / "hub" / "validation-00000-of-00001.parquet")
    with pytest.raises(AdvatlasError, match=r"row 2: the label -1 is out of range"):
        find(tmp_path / "hub")


@pytest.fixture
def mixed(tmp_path):
    """Six pictures: four good, one grey, one truncated."""
    contents = [jpeg(k) for k in range(4)] + [jpeg(0, "L"), jpeg(9)[:400]]
    return [Picture(str(k), k % 2, str(write(tmp_path / f"{k}.jpg", c))) for k, c in enumerate(contents)]


def test_bad_pictures_are_named_or_counted(mixed, tmp_path):
    with pytest.raises(
        AdvatlasError, match=r"4\.jpg: is not RGB but L; set dataset.not_rgb in the study to skip or convert"
    ):
        choose_pictures(mixed[:5], None, None, 0)
    with pytest.raises(AdvatlasError, match=r"5\.jpg: cannot be decoded .*[Tt]runcated.*; set dataset.unreadable"):
        choose_pictures(mixed[:4] + mixed[5:], None, None, 0)
    chosen, counted = choose_pictures(mixed, None, None, 0, unreadable="skip", not_rgb="skip")
    assert [p.id for p in chosen] == ["0", "1", "2", "3"]
    assert counted == {"not_rgb: skip": 1, "unreadable: skip": 1}
    chosen, counted = choose_pictures(mixed, None, None, 0, unreadable="skip", not_rgb="convert")
    assert len(chosen) == 5
    assert counted == {"not_rgb: convert": 1, "unreadable: skip": 1}
    assert decode(chosen, View(16, 1.0, "bilinear")).shape == (5, 3, 16, 16)
    cmyk = Picture("c", 0, str(write(tmp_path / "c.jpg", jpeg(0, "CMYK"))))
    with pytest.raises(AdvatlasError, match=r"c\.jpg: is not RGB but CMYK"):
        choose_pictures([cmyk], None, None, 0)
    with pytest.raises(AdvatlasError, match="5 pictures are asked for .* only 4"):
        choose_pictures(mixed, 5, None, 0, unreadable="skip", not_rgb="skip")


def test_the_choice_is_seeded_and_counted_by_class(mixed):
    good = mixed[:4]
    first, _ = choose_pictures(good, 2, None, 3)
    assert first == choose_pictures(good, 2, None, 3)[0]
    assert len({tuple(p.id for p in choose_pictures(good, 2, None, seed)[0]) for seed in range(20)}) > 1
    one_each, _ = choose_pictures(good, None, 1, 0)
    assert sorted(p.label for p in one_each) == [0, 1]
    with pytest.raises(AdvatlasError, match="two pictures are called '0'"):
        choose_pictures([good[0], good[0]], None, None, 0)


def test_a_view_is_pillows_resize_and_the_centre(tmp_path):
    picture = Image.effect_noise((57, 40), 60).convert("RGB")
    view = View(28, 0.875, "bicubic")
    seen = np.asarray(view.of(picture))
    scaled = np.asarray(picture.resize((45, 32), Image.Resampling.BICUBIC))  # the shorter side to 28 / 0.875
    left = round((45 - 28) / 2)
    assert np.array_equal(seen, scaled[2:30, left : left + 28])
    assert view.name == "28-0.875-bicubic"
    with pytest.raises(AdvatlasError, match="interpolation: 'cubic' is not one of"):
        View(28, 0.875, "cubic")


def test_the_sample_comes_with_the_installation():
    pictures = IMAGENET_SAMPLE.find(Path("unused"))
    assert len(pictures) == 20
    assert {p.label for p in pictures} >= {243, 559, 990}
    assert IMAGENET.class_names[243] == "bull mastiff"
