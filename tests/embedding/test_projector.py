"""The folder for TensorBoard's projector, as TensorBoard itself reads it."""

import io
import json

import numpy as np
import pytest
from PIL import Image
from tensorboard.backend.event_processing import data_provider, plugin_event_multiplexer
from tensorboard.plugins import base_plugin
from tensorboard.plugins.projector import projector_plugin
from werkzeug import test as werkzeug_test
from werkzeug import wrappers

from infomin_tf.embedding import feature_files, projector
from infomin_tf.embedding.rows import join


def ask(folder, route, **query):
    """What TensorBoard's projector answers."""
    multiplexer = plugin_event_multiplexer.EventMultiplexer()
    provider = data_provider.MultiplexerDataProvider(multiplexer, str(folder))
    context = base_plugin.TBContext(logdir=str(folder), data_provider=provider)
    routes = projector_plugin.ProjectorPlugin(context).get_plugin_apps()
    client = werkzeug_test.Client(routes[route], wrappers.Response)
    response = client.get(route, query_string={"run": ".", "name": "features"} | query)
    assert response.status_code == 200, response.data
    return response.data


@pytest.mark.parametrize("is_labelled", [True, False])
def test_tensorboard_reads_points_names_and_pictures(is_labelled, photos, embed, tmp_path):
    labels = photos if is_labelled else None
    embed(images=photos, labels=labels, out=tmp_path / "features.parquet", projector=True)
    folder = tmp_path / "features_projector"
    rows = join(feature_files.read(str(tmp_path / "features.parquet")))
    [embedding] = json.loads(ask(folder, "/info"))["embeddings"]
    assert embedding["tensorShape"] == [9, 16]
    points = np.frombuffer(ask(folder, "/tensor"), np.float32).reshape(9, 16)
    np.testing.assert_allclose(points, rows.features, rtol=1e-5)
    lines = ask(folder, "/metadata").decode().splitlines()
    if is_labelled:
        named = [f"{label}\t{path}" for label, path in zip(rows.labels, rows.paths, strict=True)]
        assert lines == ["label\tpath", *named]
    else:
        assert lines == rows.paths
    sheet = np.asarray(Image.open(io.BytesIO(ask(folder, "/sprite_image"))))
    side = embedding["sprite"]["singleImageDim"][0]
    assert sheet.shape == (3 * side, 3 * side, 3)
    with Image.open(photos / "b" / "1.png") as image:  # the fifth: in the middle
        centre = np.asarray(image.crop((0, 10, 50, 60)).resize((side, side), 2), np.float32)
    assert np.abs(sheet[side : 2 * side, side : 2 * side] - centre).mean() < 1


def test_of_many_images_some_are_taken_evenly_and_that_is_said(
    photos, embed, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(projector, "POINTS", 4)
    monkeypatch.setattr(feature_files, "_ROWS", 3)
    (photos / "a" / "odd\tname\n.png").write_bytes((photos / "a" / "0.png").read_bytes())
    embed(images=photos, out=tmp_path / "features.npz", projector=True)
    assert "features_projector (4 of 10 images, spread evenly)" in capsys.readouterr().out
    folder = tmp_path / "features_projector"
    names = ask(folder, "/metadata").decode().splitlines()
    assert names == ["a/0.png", "a/8.png", "b/3.png", "b/9.png"]
    whole = join(feature_files.read(str(tmp_path / "features.npz")))
    points = np.frombuffer(ask(folder, "/tensor"), np.float32).reshape(4, -1)
    chosen = [whole.paths.index(name) for name in names]
    np.testing.assert_allclose(points, whole.features[chosen], rtol=1e-5)
    for path in photos.glob("b/*"):
        path.unlink()
    monkeypatch.setattr(projector, "POINTS", 10)
    embed(export=None, out=tmp_path / "features.npz", projector=True)
    assert "odd name .png" in (folder / "metadata.tsv").read_text()
    sheet = np.asarray(Image.open(folder / "sprite.png"))
    assert (sheet[96:144, :96] == 128).all() and np.ptp(sheet[:48, :48]) > 0
