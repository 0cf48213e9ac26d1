"""GTSRB: photographs of German traffic signs in 43 classes, of sizes from 15 to 250 pixels (Stallkamp et al. 2012).

torchvision's training set has 26,640 of the 39,209 pictures that campbell2024 counts.
"""

from __future__ import annotations

from advatlas.data.dataset import Dataset
from advatlas.data.sources import TorchvisionPictures

_PICTURES = TorchvisionPictures("gtsrb", "GTSRB", {"train": "train", "test": "test"}, classes=43)

GTSRB = Dataset(
    name="gtsrb",
    channels=3,
    size=32,
    class_names=(
        "20 km/h", "30 km/h", "50 km/h", "60 km/h", "70 km/h", "80 km/h", "end of 80 km/h", "100 km/h", "120 km/h",
        "no passing", "no passing for trucks", "right of way here", "priority road", "yield", "stop", "no vehicles",
        "no trucks", "no entry", "danger", "curve left", "curve right", "double curve", "bumpy road", "slippery road",
        "road narrows", "road work", "traffic signals", "pedestrians", "children", "bicycles", "ice or snow",
        "wild animals", "end of all limits", "turn right", "turn left", "ahead only", "straight or right",
        "straight or left", "keep right", "keep left", "roundabout", "end of no passing", "end of no passing, trucks",
    ),
    mean=(0.3403, 0.3121, 0.3214),
    std=(0.2724, 0.2608, 0.2669),
    sizes={"train": 26_640, "test": 12_630},
    load=_PICTURES.load,
    present=_PICTURES.present,
    where="gtsrb/GTSRB/Training/, gtsrb/GTSRB/Final_Test/Images/ and gtsrb/GT-final_test.csv, as torchvision keeps them",
    any_size=True,
)  # fmt: skip
