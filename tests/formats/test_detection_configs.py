"""examples/detection: a file for each part of Tables 2, 3, 7 to 13, of settings that are there."""

import ast
import re

import pytest
import yaml

from tests.formats.encoders import ROOT

FOLDER = ROOT / "examples" / "detection"
TABLES = ["2a", "2b", "3", "7a", "7b", "8a", "8b", "9a", "9b", "10a", "10b", "10c", "11a", "11b"]
TABLES += ["11c", "12a", "12b", "13"]
# Those used of detectron2/config/defaults.py, with the type of their default.
SETTINGS = {
    "DATASETS.TEST": tuple,
    "DATASETS.TRAIN": tuple,
    "INPUT.FORMAT": str,
    "INPUT.MIN_SIZE_TEST": int,
    "INPUT.MIN_SIZE_TRAIN": tuple,
    "MODEL.ANCHOR_GENERATOR.ASPECT_RATIOS": list,
    "MODEL.ANCHOR_GENERATOR.SIZES": list,
    "MODEL.BACKBONE.FREEZE_AT": int,
    "MODEL.BACKBONE.NAME": str,
    "MODEL.FPN.IN_FEATURES": list,
    "MODEL.FPN.NORM": str,
    "MODEL.MASK_ON": bool,
    "MODEL.META_ARCHITECTURE": str,
    "MODEL.PIXEL_MEAN": list,
    "MODEL.PIXEL_STD": list,
    "MODEL.RESNETS.DEPTH": int,
    "MODEL.RESNETS.NORM": str,
    "MODEL.RESNETS.NUM_GROUPS": int,
    "MODEL.RESNETS.OUT_FEATURES": list,
    "MODEL.RESNETS.STRIDE_IN_1X1": bool,
    "MODEL.RESNETS.WIDTH_PER_GROUP": int,
    "MODEL.ROI_BOX_HEAD.CLS_AGNOSTIC_BBOX_REG": bool,
    "MODEL.ROI_BOX_HEAD.NAME": str,
    "MODEL.ROI_BOX_HEAD.NORM": str,
    "MODEL.ROI_BOX_HEAD.NUM_CONV": int,
    "MODEL.ROI_BOX_HEAD.NUM_FC": int,
    "MODEL.ROI_BOX_HEAD.POOLER_RESOLUTION": int,
    "MODEL.ROI_HEADS.IN_FEATURES": list,
    "MODEL.ROI_HEADS.NAME": str,
    "MODEL.ROI_HEADS.NUM_CLASSES": int,
    "MODEL.ROI_MASK_HEAD.NAME": str,
    "MODEL.ROI_MASK_HEAD.NORM": str,
    "MODEL.ROI_MASK_HEAD.NUM_CONV": int,
    "MODEL.ROI_MASK_HEAD.POOLER_RESOLUTION": int,
    "MODEL.RPN.IN_FEATURES": list,
    "MODEL.RPN.POST_NMS_TOPK_TEST": int,
    "MODEL.RPN.POST_NMS_TOPK_TRAIN": int,
    "MODEL.RPN.PRE_NMS_TOPK_TEST": int,
    "MODEL.RPN.PRE_NMS_TOPK_TRAIN": int,
    "SOLVER.BASE_LR": float,
    "SOLVER.IMS_PER_BATCH": int,
    "SOLVER.MAX_ITER": int,
    "SOLVER.STEPS": tuple,
    "SOLVER.WARMUP_ITERS": int,
    "TEST.PRECISE_BN.ENABLED": bool,
    "VERSION": int,
}
SCHEDULES = {"1x": (90000, (60000, 80000)), "2x": (180000, (120000, 160000))}
SCHEDULES |= {"6x": (540000, (480000, 520000)), "24,000": (24000, (18000, 22000))}


def settings(name):
    """dict dotted name -> value of a file with all that it builds on, as Detectron2 reads it."""
    content = yaml.safe_load((FOLDER / name).read_text())
    base = content.pop("_BASE_", None)
    return (settings(base) if base else {}) | dict(flat(content))


def flat(content, prefix=""):
    for name, value in content.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{name}.")
        else:
            is_tuple = isinstance(value, str) and value.startswith("(")
            yield prefix + name, ast.literal_eval(value) if is_tuple else value


def header(table):
    """The comment at the top of a table's file."""
    return re.match(r"(?:#.*\n)*", (FOLDER / f"table{table}.yaml").read_text())[0]


def test_every_row_has_a_file_and_no_other_is_there():
    found = {path.stem for path in FOLDER.glob("*.yaml")}
    bases = {"base_coco", "base_fpn", "base_cascade", "base_c4"}
    assert found == bases | {f"table{table}" for table in TABLES}


@pytest.mark.parametrize("table", TABLES)
def test_settings_are_of_detectron2_and_of_their_type(table):
    for name, value in settings(f"table{table}.yaml").items():
        assert type(value) is SETTINGS[name], name


@pytest.mark.parametrize("table", TABLES)
def test_settings_are_what_the_header_says(table):
    said, found = header(table), settings(f"table{table}.yaml")
    assert said.startswith(f"# Table {table}, ") and "published" in said and "Not run here" in said
    assert f"examples/detection/table{table}.yaml" in said
    kind, depth, detector = re.search(r"([RX])(50|101|152)-(FPN|C4)", said).groups()
    assert found["MODEL.RESNETS.DEPTH"] == int(depth)
    groups = (32, 8) if kind == "X" else (None, None)
    names = "MODEL.RESNETS.NUM_GROUPS", "MODEL.RESNETS.WIDTH_PER_GROUP"
    assert tuple(map(found.get, names)) == groups
    schedule = re.search(r"(1x|2x|6x) schedule|(24,000) steps", said)
    expected = SCHEDULES[schedule[1] or schedule[2]]
    assert (found["SOLVER.MAX_ITER"], found["SOLVER.STEPS"]) == expected
    is_voc = "VOC" in said
    assert found["DATASETS.TEST"] == (("voc_2007_test",) if is_voc else ("coco_2017_val",))
    assert found["MODEL.MASK_ON"] is ("Mask R-CNN" in said) is (not is_voc)
    heads = {"FPN": "StandardROIHeads", "C4": "Res5ROIHeadsExtraNorm"}[detector]
    assert found["MODEL.ROI_HEADS.NAME"] == ("CascadeROIHeads" if "Cascade" in said else heads)
    assert ("MOCO" in said) is (detector == "C4")


@pytest.mark.parametrize("table", TABLES)
def test_the_weights_are_trained_all_through_as_they_were_made(table):
    found = settings(f"table{table}.yaml")
    assert found["MODEL.BACKBONE.FREEZE_AT"] == 0 and found["TEST.PRECISE_BN.ENABLED"]
    assert found["INPUT.FORMAT"] == "RGB" and not found["MODEL.RESNETS.STRIDE_IN_1X1"]
    norms = {value for name, value in found.items() if name.endswith(".NORM")}
    assert norms == ({"SyncBN"} if "MODEL.FPN.NORM" in found else {"naiveSyncBN"})
    [weights] = re.findall(r"gin/paper/table6_res\w+\.gin", header(table))
    assert (ROOT / weights).is_file()
