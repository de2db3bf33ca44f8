"""The examples run, and what they teach is so."""

import pathlib

import numpy as np
import pytest
import tensorflow as tf

from infomin_tf.configuration import gin_files
from infomin_tf.experiment.experiment import Experiment
from infomin_tf.training.loop import TrainingLoop
from tests import small, tasks

EXAMPLES = pathlib.Path(__file__).parents[1] / "examples"


@pytest.fixture(autouse=True)
def beside_the_examples(monkeypatch):
    monkeypatch.syspath_prepend(str(EXAMPLES))


@pytest.mark.long
def test_learning_without_gin_changes_the_encoder_and_leaves_the_other():
    import without_gin

    pixels = small.images(32).images.numpy()
    trained, untrained = without_gin.learn(pixels, epochs=1, batch_size=16, size=12, width=0.0625)
    images = tf.random.stateless_uniform([2, 12, 12, 3], [1, 2])
    assert np.abs(trained(images) - untrained(images)).max() > 1e-3
    again, _ = without_gin.learn(pixels, epochs=1, batch_size=16, size=12, width=0.0625)
    np.testing.assert_array_equal(trained(images), again(images))


@pytest.mark.long
def test_the_example_learns_the_texture(capsys):
    import without_gin

    without_gin.main()
    said = [line for line in capsys.readouterr().out.splitlines() if ": kNN" in line]
    trained, untrained = (float(line.split()[-2]) for line in said)
    assert trained > untrained + 10


def test_keras_fit_gives_what_the_training_loop_gives(tmp_path):
    looped, fitted = (tasks.contrastive_task(tmp_path, total_steps=6) for _ in range(2))
    TrainingLoop(jit_compile=False).fit(looped, tasks.STRATEGY)
    fitted.learner.compile(jit_compile=False)
    fitted.learner.fit(fitted.make_batches(0, (0, 1)), steps_per_epoch=6, shuffle=False, verbose=0)
    for a, b in zip(looped.learner.variables, fitted.learner.variables, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


@pytest.mark.usefixtures("clean_gin")
def test_an_own_augmentation_and_data_set_run_in_python_and_in_gin(tmp_path):
    import own_augmentation

    images = own_augmentation.Stripes().load()
    sepia = own_augmentation.Sepia()
    pixels = tf.cast(images.images[:9], tf.float32)
    draws = sepia.draw(9, (1, 2))
    np.testing.assert_allclose(
        tf.function(sepia.apply, jit_compile=True)(pixels, draws), sepia.apply(pixels, draws), 1e-4
    )
    toned = own_augmentation.Sepia.apply(sepia, pixels, {"strength": tf.ones([9])})
    assert np.all(toned[..., 0] >= toned[..., 1]) and np.all(toned[..., 1] >= toned[..., 2])

    text = own_augmentation.__doc__.split("\n\n")[-1]
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    assert lines[0] == "import own_augmentation" and len(lines) == 5
    own = tmp_path / "own.gin"
    own.write_text("\n".join(lines))
    base = gin_files.find_file("gin/folder_unsup_views.gin")
    gin_files.parse([base, str(own)], ["RandomResizedCrop.size = %view_size"])
    made = gin_files.build(Experiment)
    gin_files.check_all_used()
    assert made._data.load_unlabelled(None).name == "stripes"
    assert type(made._pair.samplers[0].operations[0]).__name__ == "Sepia"
