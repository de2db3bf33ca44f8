"""Images that changed between starts: unfinished trainings are refused, finished ones stay."""

import types

import keras
import numpy as np
import pytest
from PIL import Image

from infomin_tf.data import inspection
from infomin_tf.data.image_folder import ImageFolder
from infomin_tf.data.images import ArrayImages
from infomin_tf.data.label_maps import SegmentationImages
from infomin_tf.errors import UserError
from infomin_tf.experiment import begun
from infomin_tf.experiment.evaluate import Evaluate
from infomin_tf.experiment.pretrain import Pretrain
from infomin_tf.experiment.run import Run
from infomin_tf.moving_mnist.sequences import Sequences
from infomin_tf.runs import files
from infomin_tf.training.checkpoint import Checkpoint
from infomin_tf.views import pairs
from tests import small
from tests.bad_inputs import pictures

STRATEGY = types.SimpleNamespace(num_replicas_in_sync=1)


def pretraining():
    return Pretrain(small.encoder, keras.optimizers.SGD(0.1), batch_size=8, epochs=2)


@pytest.fixture
def run(tmp_path):
    sets = (small.images(30), small.images(20, 1), small.images(20, 2), small.images(20, 2))
    return Run(str(tmp_path), STRATEGY, 0, *sets, None, None, "")


def begin(run, stage, step=3):
    begun.write(run, stage)
    folder = f"{run.directory(stage.name)}/checkpoints"
    files.write_atomically(f"{folder}/ckpt-{step}.index", "")


def changed(images, places=slice(None), names=None):
    pixels, labels = images.images.numpy()[places], images.labels.numpy()[places]
    return ArrayImages("random", pixels, labels, names or images.class_names)


def test_the_same_images_are_no_change(run):
    stage = pretraining()
    begin(run, stage)
    run.unlabelled = changed(run.unlabelled)
    assert begun.changes(run, stage) == {}
    assert begun.check_images(run, stage, finished=False) is False


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda images: changed(images, slice(25)), "unlabelled: 30 images then, 25 now"),
        (
            lambda images: changed(images, slice(None, None, -1)),
            "30 images as before, but different ones",
        ),
        (lambda images: changed(images, names=("a", "c", "b")), "classes a, b, c then, a, c, b"),
    ],
)
def test_an_unfinished_training_is_refused_with_the_set_and_the_mend(change, words, run):
    stage = pretraining()
    begin(run, stage)
    run.unlabelled = change(run.unlabelled)
    with pytest.raises(UserError, match=f"{words}.*restore them .*another --model_dir.*overwrite"):
        begun.check_images(run, stage, finished=False)


def test_a_finished_stage_is_warned_of(run, caplog):
    stage = pretraining()
    begin(run, stage)
    run.unlabelled = changed(run.unlabelled, slice(25))
    assert begun.check_images(run, stage, finished=True) is False
    assert "pretrain is finished, and its results are of the earlier images" in caplog.text
    assert "30 images then, 25 now" in caplog.text


def test_a_training_without_a_checkpoint_begins_with_the_images_of_now(run, caplog):
    stage = pretraining()
    begun.write(run, stage)
    run.unlabelled = changed(run.unlabelled, slice(25))
    assert begun.check_images(run, stage, finished=False) is False
    assert "was begun with other images" in caplog.text


def test_images_that_a_training_does_not_see_may_change(run, caplog):
    stage = pretraining()
    begin(run, stage)
    run.test = None
    assert begun.check_images(run, stage, finished=False) is False
    assert "test: none now" in caplog.text


def test_a_run_of_an_earlier_version_goes_on(run):
    assert begun.check_images(run, pretraining(), finished=False) is False


def test_probes_begin_again_on_other_images(run, tmp_path):
    stage = Evaluate(pairs.CenterCrop(14, 12))
    stage.begin_again(run)
    begun.write(run, stage)
    probe = tmp_path / "evaluate" / "linear_probe_pre-trained"
    probe.mkdir()
    stage.begin_again(run)
    assert probe.is_dir()
    run.train = changed(run.train, slice(15))
    assert begun.check_images(run, stage, finished=False) is True
    stage.begin_again(run)
    assert not probe.exists()


def test_probes_that_an_earlier_version_has_begun_begin_again(run, tmp_path):
    stage = Evaluate(pairs.CenterCrop(14, 12))
    probe = tmp_path / "evaluate" / "linear_probe_pre-trained"
    probe.mkdir(parents=True)
    (tmp_path / "evaluate" / "under_way.gin").write_text(run.configuration)
    assert begun.check_images(run, stage, finished=False) is True
    stage.begin_again(run)
    assert not probe.exists()


def test_results_say_the_images_that_they_were_made_with(run):
    run.finish("pretrain", [], 3, 0.0)
    run.unlabelled, run.train = changed(run.unlabelled, slice(25)), changed(run.train, slice(15))
    run.finish("evaluate", [], 3, 0.0)
    run.finish("export", [], 3, 0.0)
    data = {stage: run.results_of(stage)["data"] for stage in ("pretrain", "evaluate", "export")}
    assert data["evaluate"]["unlabelled"] == "random, 30 images"
    assert data["evaluate"]["train"] == "random, 15 images, 3 classes"
    assert data["export"] == data["pretrain"]


def test_a_folder_that_is_streamed_is_told_by_its_pixels(tmp_path):
    for index in range(4):
        (tmp_path / f"{index}.png").write_bytes(pictures.encoded(Image.new("L", (9, 9), index)))

    def digest():
        return inspection.digest(ImageFolder(str(tmp_path), 8, memory_limit_gib=0).load())

    before = digest()
    assert before == digest() and len(before) == 32
    (tmp_path / "3.png").write_bytes(pictures.encoded(Image.new("L", (9, 9), 99)))
    assert digest() != before


def test_sequences_and_label_maps_are_told_by_their_parts():
    sequences = Sequences(small.images(9), small.images(9, 1), 14)
    assert inspection.digest(sequences) != inspection.digest(
        Sequences(small.images(9), small.images(9, 2), 14)
    )
    pixels = np.zeros((3, 4, 4, 3), np.uint8)
    maps = [SegmentationImages("maps", pixels, np.full((3, 4, 4), i, np.uint8)) for i in (0, 0, 1)]
    first, same, other = map(inspection.digest, maps)
    assert first == same != other


def test_encoders_are_read_though_the_bank_is_of_another_number_of_images(tmp_path):
    def learner(number):
        return small.contrastive_learner(bank=0, whole=True, num_images=number)

    trained = learner(30)
    for variable in trained.encoders[0].variables:
        variable.assign(variable + 1.0)
    Checkpoint(trained, str(tmp_path)).save(7)
    other = learner(25)
    with pytest.raises(UserError, match="can be read into this model"):
        Checkpoint(other, str(tmp_path)).restore()
    assert Checkpoint(other, str(tmp_path)).restore(other.encoders[0].variables) == 7
    for a, b in zip(trained.encoders[0].variables, other.encoders[0].variables, strict=True):
        np.testing.assert_array_equal(a, b)
    assert other.tables[0].shape[0] == 25
    with pytest.raises(UserError, match="can be read into this model"):
        Checkpoint(other, str(tmp_path)).restore(other.variables)
