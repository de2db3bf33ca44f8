"""The copies that an audit works on: divided once, test images not learned from, nothing lost."""

import json
import types

import numpy as np
import pytest
from PIL import Image

from infomin_tf.auditing import places, preparation
from infomin_tf.errors import UserError


def standing_audit(limit=1000, image_size=8):
    """What `prepare` asks of an audit."""
    return types.SimpleNamespace(
        limit=limit, image_size=image_size, max_corrupt_share=0.01, first_steps=5, batch_size=64
    )


def save_images(folder, count, seed=0):
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(count):
        pixels = np.random.default_rng([seed, index]).integers(0, 256, (12, 12, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{index}.png")


def test_copies_are_divided_once_and_test_images_are_not_learned_from(tmp_path):
    for seed, name in enumerate(("ant", "owl")):
        save_images(tmp_path / "photos" / name, 150, seed)
    photos, out = str(tmp_path / "photos"), str(tmp_path / "out")
    facts = preparation.prepare(photos, photos, out, standing_audit())
    assert facts["grey"] is False
    assert facts["classes"] == 2 and sum(facts["sizes"].values()) == 600
    assert facts["sizes"]["test"] == facts["sizes"]["held_out"] > 40
    contents = {
        part: {path.read_bytes() for path in (tmp_path / "out" / "copies" / part).rglob("*.png")}
        for part in facts["sizes"]
    }
    assert contents["unlabelled"] == contents["train"] and contents["test"] == contents["held_out"]
    assert not contents["train"] & contents["test"]
    assert (
        json.loads(json.dumps(preparation.prepare(photos, photos, out, standing_audit()))) == facts
    )
    with pytest.raises(UserError, match="use another --out"):
        preparation.prepare(photos, None, out, standing_audit())


def test_a_limit_and_a_csv_file(tmp_path):
    save_images(tmp_path / "photos", 300)
    rows = [f"{index}.png,{'ant' if index % 2 else 'owl'}" for index in range(200)]
    (tmp_path / "labels.csv").write_text("\n".join(["file,label", *rows, "299.png,rare"]))
    csv = str(tmp_path / "labels.csv")
    facts = preparation.prepare(
        str(tmp_path / "photos"), csv, str(tmp_path / "out"), standing_audit(240)
    )
    assert facts["classes"] == 2  # one image of a class can not be both trained and tested on
    sizes = facts["sizes"]
    assert sizes["unlabelled"] == 180 and sizes["held_out"] == 60 and sizes["test"] < 60


def test_labelled_copies_of_other_names_are_not_learned_from_when_they_are_tested_on(tmp_path):
    save_images(tmp_path / "flat", 300)
    for index in range(300):
        folder = tmp_path / "sorted" / ("ant" if index % 2 else "owl")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{index}.png").write_bytes((tmp_path / "flat" / f"{index}.png").read_bytes())
    arguments = str(tmp_path / "flat"), str(tmp_path / "sorted"), str(tmp_path / "out")
    facts = preparation.prepare(*arguments, standing_audit())
    found = {
        part: {path.read_bytes() for path in (tmp_path / "out" / "copies" / part).rglob("*.png")}
        for part in facts["sizes"]
    }
    assert not (found["unlabelled"] | found["train"]) & (found["held_out"] | found["test"])
    assert len(found["test"]) > 30 and facts["sizes"]["unlabelled"] == len(found["unlabelled"])


def test_files_are_named_where_copies_of_test_images_were_left_out(tmp_path):
    save_images(tmp_path / "flat", 300)
    for name, first in (("ant", 0), ("owl", 100)):  # half of them are copies of those in flat
        save_images(tmp_path / "sorted" / name, 100, first)
    for index in range(9):
        twin = (tmp_path / "sorted" / "ant" / f"{index}.png").read_bytes()
        (tmp_path / "sorted" / "owl" / f"twin{index}.png").write_bytes(twin)
    paths = [str(tmp_path / name) for name in ("flat", "sorted", "out")]
    facts = preparation.prepare(*paths, standing_audit())
    assert facts["sizes"]["train"] < 150
    [equal] = [said for said in facts["doubts"] if "same pixels" in said]
    assert "(ant) and owl/twin" in equal and "image " not in equal


def test_near_duplicates_in_another_folder_are_not_learned_from(tmp_path):
    """Labels from a folder of the same scenes, taken a second time."""
    random = np.random.default_rng(0)
    scenes = random.integers(10, 246, (300, 8, 8, 3)).repeat(4, 1).repeat(4, 2)
    for index, scene in enumerate(scenes):
        for folder in ("flat", f"sorted/{'ant' if index % 2 else 'owl'}"):
            (tmp_path / folder).mkdir(parents=True, exist_ok=True)
            shot = np.uint8(scene + random.integers(-3, 4, scene.shape))
            Image.fromarray(shot).save(tmp_path / folder / f"{folder[0]}{index}.png")
    paths = [str(tmp_path / name) for name in ("flat", "sorted", "out")]
    facts = preparation.prepare(*paths, standing_audit(image_size=32))
    found = {
        part: {
            int(np.argmin([np.abs(near - scene).max() for scene in scenes]))
            for path in (tmp_path / "out" / "copies" / part).rglob("*.png")
            for near in [np.asarray(Image.open(path)).astype(int)]
        }
        for part in facts["sizes"]
    }
    assert not (found["unlabelled"] | found["train"]) & (found["held_out"] | found["test"])
    assert len(found["unlabelled"]) > 100 and len(found["test"]) > 30
    assert facts["doubts"] == []  # no near-duplicates within a folder


def test_doubts_about_the_images_are_named(tmp_path):
    save_images(tmp_path / "photos" / "ant", 150, 1)
    save_images(tmp_path / "photos" / "owl", 150, 2)
    save_images(tmp_path / "photos" / "rare", 8, 3)
    photos = tmp_path / "photos"
    twins = [(photos / "ant" / f"{i}.png").read_bytes() for i in range(7)]
    for index, twin in enumerate(twins):
        (photos / "owl" / f"twin{index}.png").write_bytes(twin)
    facts = preparation.prepare(str(photos), str(photos), str(tmp_path / "out"), standing_audit())
    [near, equal, few] = facts["doubts"]
    assert near.startswith("14 of 315 images have a near-duplicate")
    assert equal.startswith("7 images come with the same pixels and different labels: ")
    pairs = [f"ant/{i}.png (ant) and owl/twin{i}.png (owl)" for i in range(7)]
    assert sum(pair in equal for pair in pairs) == 5 and " and 2 more; no features" in equal
    assert few.startswith("Classes of fewer than 5 test images") and "rare (" in few


def test_nothing_but_its_own_is_deleted_or_taken_for_the_same(tmp_path):
    save_images(tmp_path / "project" / "copies", 240)
    save_images(tmp_path / "photos", 240)
    (tmp_path / "labels.csv").write_text(
        "file,label\n" + "".join(f"{i}.png,{i % 2}\n" for i in range(200))
    )
    csv, photos = str(tmp_path / "labels.csv"), str(tmp_path / "photos")
    with pytest.raises(UserError, match="was not made by"):
        preparation.prepare(photos, csv, str(tmp_path / "project"), standing_audit())
    assert len(list((tmp_path / "project" / "copies").glob("*.png"))) == 240
    preparation.prepare(photos, csv, str(tmp_path / "out"), standing_audit())
    with open(csv, "a") as file:
        file.write("210.png,1\n")
    with pytest.raises(UserError, match="differs in contents; use another --out"):
        preparation.prepare(photos, csv, str(tmp_path / "out"), standing_audit())


@pytest.mark.parametrize(
    ("count", "classes", "message"), [(50, 2, "at least 200"), (300, 1, "at least two classes")]
)
def test_too_few_images_or_classes_are_explained(tmp_path, count, classes, message):
    for index in range(classes):
        save_images(tmp_path / "photos" / str(index), count // classes)
    with pytest.raises(UserError, match=message):
        preparation.prepare(
            str(tmp_path / "photos"),
            str(tmp_path / "photos"),
            str(tmp_path / "out"),
            standing_audit(),
        )


def test_places_that_would_mix_are_refused(tmp_path):
    save_images(tmp_path / "photos", 2)
    photos = str(tmp_path / "photos")
    for out in (photos, str(tmp_path / "photos" / "out"), str(tmp_path)):
        with pytest.raises(UserError, match="lies inside the other"):
            places.check(photos, None, out)
    places.check(photos, None, str(tmp_path / "photos2"))
    with pytest.raises(UserError, match="neither a folder nor a csv file"):
        places.check(photos, str(tmp_path / "none"), str(tmp_path / "new"))
    with pytest.raises(UserError, match="--images=.*none is not a folder"):
        places.check(str(tmp_path / "none"), None, str(tmp_path / "new"))
