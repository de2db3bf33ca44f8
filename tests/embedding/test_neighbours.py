"""Nearest images: those of scikit-learn, on a page that shows them."""

import base64
import io
import os
import re

import numpy as np
import pytest
from PIL import Image
from sklearn import neighbors

from infomin_tf.embedding import feature_files, neighbours
from infomin_tf.embedding.rows import Rows
from infomin_tf.errors import UserError

RNG = np.random.default_rng(0)


@pytest.fixture
def features(tmp_path, monkeypatch):
    """(path of a file that is read in stretches of 7 rows, its features [50, 4])."""
    monkeypatch.setattr(feature_files, "_ROWS", 7)
    values = RNG.normal(size=(50, 4)).astype(np.float32)
    path = str(tmp_path / "features.npz")
    names = [f"{number:02d}.png" for number in range(50)]
    feature_files.kind_of(path).write(path, [Rows(names, ["x"] * 50, values)], True)
    return path, values


@pytest.mark.parametrize("number", [1, 5, 60])
def test_neighbours_are_those_of_scikit_learn(number, features):
    path, values = features
    count = min(number, 49)
    reference = neighbors.NearestNeighbors(n_neighbors=count + 1, metric="cosine").fit(values)
    for query in (0, 6, 7, 49):
        distances, places = reference.kneighbors(values[query : query + 1])
        name = f"{query:02d}.png"
        found, there, label = neighbours.of_image(path, ["no.png", name])
        assert (found, label) == (name, "x")
        found = neighbours.nearest(path, there, number, without=name)
        assert [int(n.path[:2]) for n in found] == places[0, 1:].tolist()
        np.testing.assert_allclose([n.distance for n in found], distances[0, 1:], atol=1e-6)


def test_another_image_keeps_its_twin_and_its_length_does_not_count(features):
    path, values = features
    found = neighbours.nearest(path, 100 * values[3], 2)
    assert found[0].path == "03.png" and abs(found[0].distance) < 1e-6
    assert neighbours.of_image(path, ["nowhere.png"]) is None


def pictures_of(page):
    """The PNGs in a page."""
    encoded = re.findall(r'src="data:image/png;base64,([^"]+)"', page)
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(data)))) for data in encoded]


def test_the_page_shows_pictures_distances_and_paths_without_the_encoder(
    photos, embed, tmp_path, monkeypatch
):
    """Of a finished file; the query is named as in the file, or where it lies."""
    for number in range(2):  # of one colour each: nearest to each other
        Image.new("RGB", (40, 60), (250, 10 * number, 0)).save(photos / "b" / f"red&{number}.png")
    out = tmp_path / "features.csv"
    embed(images=photos, labels=photos, out=out)
    monkeypatch.setattr("infomin_tf.embedding.encoders.open_encoder", None)
    for query in ("b/red&0.png", photos / "b" / "red&0.png"):
        embed(export=None, out=out, neighbours=query)
        [page] = tmp_path.glob("*.html")
        assert page.name == "features_neighbours_b_red&0.png.html"
        text = page.read_text()
        assert "10 of the 11 images" in text and "http" not in text
        captions = re.findall(r"<figcaption>(.*?)</figcaption>", text)
        assert len(captions) == 11 and captions[0] == "the query<br>b"
        assert re.fullmatch(r"1: 0\.0\d+<br>b<br>b/red&amp;1\.png", captions[1])
        distances = [float(caption[3:].split("<")[0]) for caption in captions[1:]]
        assert distances == sorted(distances)
        first, second = pictures_of(text)[:2]
        assert (first[70, 70] == (250, 0, 0)).all() and (second[70, 70] == (250, 10, 0)).all()
        page.unlink()
    (photos / "b" / "red&1.png").unlink()
    embed(export=None, out=out, neighbours="b/red&0.png")
    assert "(no picture)<figcaption>1: " in next(tmp_path.glob("*.html")).read_text()


def test_a_query_from_elsewhere_is_embedded_by_the_same_encoder(photos, embed, tmp_path):
    out = tmp_path / "features.parquet"
    embed(images=photos, out=out, image_size=48)
    (tmp_path / "copy.png").write_bytes((photos / "b" / "3.png").read_bytes())
    embed(export=None, out=out, neighbours=tmp_path / "copy.png")
    text = (tmp_path / "features_neighbours_copy.png.html").read_text()
    assert re.search(r"1: -?0\.0000<br>b/3\.png", text)
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(UserError, match="text.png cannot be read as an image"):
        embed(export=None, out=out, neighbours=tmp_path / "text.png")


def test_a_link_and_a_name_that_is_no_text_are_found_in_the_file(
    photos, embed, tmp_path, monkeypatch
):
    (tmp_path / "elsewhere.png").write_bytes((photos / "b" / "3.png").read_bytes())
    (photos / "b" / "link.png").symlink_to(tmp_path / "elsewhere.png")
    odd = photos / "b" / os.fsdecode(b"caf\xe9.png")
    odd.write_bytes((photos / "b" / "5.png").read_bytes())
    (tmp_path / "linked").symlink_to(photos)
    embed(images=photos, out=tmp_path / "features.npz")
    monkeypatch.setattr("infomin_tf.embedding.encoders.open_encoder", None)
    queries = {photos / "b" / "link.png": "b_link.png", odd: "b_caf\\xe9.png"}
    queries |= {tmp_path / "linked" / "b" / "3.png": "b_3.png"}
    for query, name in queries.items():
        embed(export=None, out=tmp_path / "features.npz", neighbours=query)
        page = (tmp_path / f"features_neighbours_{name}.html").read_text()
        assert "10 of the 11 images" in page and ">the query" in page


def test_another_encoder_is_refused(photos, embed, tmp_path):
    from infomin_tf import export
    from tests import small

    other = small.image_encoder()
    other.weights[0].assign(other.weights[0] + 1.0)
    export.save_encoder(other, tmp_path / "other")
    embed(images=photos, out=tmp_path / "features.npz")
    Image.new("RGB", (40, 60)).save(tmp_path / "query.png")
    with pytest.raises(UserError, match="other is not the encoder that made"):
        embed(
            export=tmp_path / "other",
            out=tmp_path / "features.npz",
            neighbours=tmp_path / "query.png",
        )
