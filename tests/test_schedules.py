"""Courses of the learning rate, and settings of schedules and optimizers that have no sense."""

import math

import keras
import pytest

from infomin_tf.evaluation.linear import LinearProbe
from infomin_tf.evaluation.segmentation import SegmentationProbe
from infomin_tf.experiment.learn_views import LearnViews
from infomin_tf.experiment.pretrain import Pretrain
from infomin_tf.learners.negatives import InBatch
from infomin_tf.moving_mnist.stages import TrainSupervised
from infomin_tf.training import schedules
from infomin_tf.training.schedules import Constant, Cosine, StepDecay
from infomin_tf.views import pairs
from tests import small


def pretrain(optimizer=None, epochs=200, **arguments):
    return Pretrain(
        small.encoder, optimizer or keras.optimizers.SGD(0.03), epochs=epochs, **arguments
    )


def test_step_decay_multiplies_the_rate_at_each_boundary():
    rate = StepDecay((60, 80), 0.1, 100).over(0.03, 1000, 10)
    found = [float(rate(step)) for step in (0, 600, 601, 800, 801, 999)]
    assert found == pytest.approx([0.03, 0.03, 0.003, 0.003, 0.0003, 0.0003])


@pytest.mark.parametrize(("warmup", "start"), [(0, 0.0), (3, 0.0), (4, 0.01)])
def test_cosine_is_its_formula_at_every_step(warmup, start):
    """A line up to the rate, then half a cosine down to the floor; 20 epochs of 7 steps."""
    rate, floor, total, steps = 0.03, 0.1, 140, 7 * warmup
    schedule = Cosine(floor, warmup, start).over(rate, total, 7)
    for step in range(total + 1):
        done = (step - steps) / (total - steps)
        down = rate * (floor + (1 - floor) * (1 + math.cos(math.pi * done)) / 2)
        up = start + (rate - start) * step / max(steps, 1)
        assert float(schedule(step)) == pytest.approx(up if step < steps else down, rel=1e-5)


def test_cosine_of_a_single_step_ends_at_the_floor():
    schedule = Cosine(0.1).over(0.03, 1, 1)
    assert [float(schedule(step)) for step in (0, 1)] == pytest.approx([0.03, 0.003])


@pytest.mark.parametrize("count", [None, 1, 4])
def test_a_schedule_counts_updates_and_not_steps(count):
    """An update that gathers the gradients of four steps is one step of the schedule."""
    sgd = keras.optimizers.SGD(0.03, gradient_accumulation_steps=count if count != 1 else None)
    schedule, steps = Cosine(warmup_epochs=2), [0, 1, 5, 20, 41, 79]
    whole = schedule.over(0.03, 80 // (count or 1), 10 / (count or 1))
    expected = [float(whole(step // (count or 1))) for step in steps]
    assert schedules.learning_rates(sgd, schedule, 80, 10, steps) == pytest.approx(expected)
    optimizer = schedules.scheduled(sgd, schedule, 80, 10)
    assert type(optimizer) is keras.optimizers.SGD and optimizer is not sgd
    found = [float(optimizer._learning_rate(step // (count or 1))) for step in steps]
    assert found == pytest.approx(expected)
    assert schedules.learning_rates(sgd, Constant(), 80, 10, steps) == [pytest.approx(0.03)] * 6


@pytest.mark.parametrize(("epochs", "batch_size"), [(1, 1), (1, 0), (-1, 4), (1, 2.5), ("1", 4)])
def test_lengths_without_sense_are_refused(epochs, batch_size):
    with pytest.raises(ValueError, match="dict needs 0 epochs or more and whole batches of at"):
        schedules.check_length({}, epochs, batch_size, least=2)
    schedules.check_length({}, 0, 2, least=2)


def test_what_is_a_schedule_is_seen():
    assert isinstance(StepDecay(), schedules.Schedule)
    assert not isinstance(keras.optimizers.schedules.CosineDecay(1.0, 2), schedules.Schedule)
    assert (StepDecay().at_epochs, StepDecay().factor) == ((60, 80), 0.2)


def test_boundaries_that_fall_together_in_a_short_training_decay_at_once():
    rate = StepDecay((120, 121), 0.1, 240).over(1.0, 2, 1)
    assert [float(rate(step)) for step in (0, 1, 2, 3)] == pytest.approx([1.0, 1.0, 0.01, 0.01])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"at_epochs": ()}, r"StepDecay.at_epochs must be rising epochs above 0, one or more"),
        ({"at_epochs": (80, 60)}, "must be rising"),
        ({"at_epochs": (60, 60)}, "must be rising"),
        ({"at_epochs": (0, 60)}, "above 0"),
        ({"at_epochs": (-5, 60)}, "above 0"),
        ({"at_epochs": (float("nan"),)}, "above 0"),
        ({"factor": 0.0}, "StepDecay.factor must be a number above 0, not -?0.0"),
        ({"factor": -0.1}, "StepDecay.factor must be a number above 0, not -0.1"),
        ({"factor": 2.0}, r"StepDecay.factor must be a number in \[0, 1\], not 2.0"),
        ({"of_epochs": 0}, "StepDecay.of_epochs must be a number above 0"),
    ],
)
def test_step_decays_without_sense_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        StepDecay(**settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"floor": 2.0}, r"Cosine.floor must be a number in \[0, 1\], not 2.0"),
        ({"floor": -0.1}, r"Cosine.floor must be a number in \[0, 1\], not -0.1"),
        ({"warmup_epochs": -1}, "Cosine.warmup_epochs must be 0 or more, not -1"),
        ({"warmup_epochs": 1, "warmup_from": -0.1}, "Cosine.warmup_from must be 0 or more"),
        ({"warmup_from": 0.01}, "changes nothing without a warm-up; bind Cosine.warmup_epochs"),
    ],
)
def test_cosines_without_sense_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        Cosine(**settings)


@pytest.mark.parametrize(
    ("schedule", "epochs", "message"),
    [
        (StepDecay((120, 160)), 200, "would not decay; bind StepDecay.of_epochs = 200"),
        (StepDecay((120, 160)), 160.5, "would not decay; bind StepDecay.of_epochs = 160.5"),
        (StepDecay((120, 160)), 50, "bind StepDecay.of_epochs = the length for which"),
        (StepDecay((120, 160)), 150, "bind StepDecay.of_epochs = the length for which"),
        (StepDecay((60, 100)), 100, r"\(60, 100\) are not all below StepDecay.of_epochs = 100"),
        (Cosine(warmup_epochs=10), 5, "Cosine.warmup_epochs = 10 is not shorter than .* 5 epochs"),
        (Cosine(warmup_epochs=5), 5, "bind fewer warmup_epochs"),
        (
            Cosine(warmup_epochs=1, warmup_from=0.1),
            5,
            "warmup_from = 0.1 is above .* learning rate, 0.03",
        ),
    ],
)
def test_schedules_that_do_not_fit_the_training_are_refused_before_it(schedule, epochs, message):
    with pytest.raises(ValueError, match=message):
        pretrain(schedule=schedule, epochs=epochs)


def test_a_generator_that_nothing_trains_is_refused():
    sgd = keras.optimizers.SGD(0.03)
    for weights in (
        {"unsupervised_weight": 0.0, "supervised_weight": 0.0},
        {"unsupervised_weight": 0},
    ):
        with pytest.raises(ValueError, match="nothing in LearnViews trains the generator"):
            LearnViews(small.encoder, sgd, sgd, **weights)


def takers(optimizer, schedule):
    """Each stage and probe that takes an optimizer, by name."""
    sgd = keras.optimizers.SGD(0.03)
    view = pairs.CropAndFlip(12)
    return {
        "Pretrain": lambda: pretrain(optimizer, schedule=schedule),
        "LearnViews": lambda: LearnViews(small.encoder, sgd, optimizer, schedule=schedule),
        "TrainSupervised": lambda: TrainSupervised(small.encoder, optimizer, schedule=schedule),
        "LinearProbe": lambda: LinearProbe(optimizer, view, schedule=schedule),
    }


@pytest.mark.parametrize("schedule", [None, Constant(), Cosine()])
@pytest.mark.parametrize("stage", ["Pretrain", "LearnViews", "TrainSupervised", "LinearProbe"])
def test_a_schedule_of_keras_is_refused_at_once(stage, schedule):
    rate = keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.5)
    message = (
        f"Adam.learning_rate of {stage} is a Keras schedule; bind a number, and a schedule of "
        f"infomin_tf.training.schedules to {stage}.schedule"
    )
    with pytest.raises(ValueError, match=message):
        takers(keras.optimizers.Adam(rate), schedule)[stage]()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"use_ema": True}, "SGD.use_ema = True: .* does not train with it.*; remove it"),
        ({"use_ema": True, "ema_overwrite_frequency": 10}, "SGD.ema_overwrite_frequency = 10"),
        ({"ema_momentum": 0.9}, "SGD.ema_momentum = 0.9"),
        ({"loss_scale_factor": 128.0}, "SGD.loss_scale_factor = 128.0"),
        ({"learning_rate": 0.0}, "SGD.learning_rate must be a number above 0, not -?0.0"),
        ({"learning_rate": -0.1}, "SGD.learning_rate must be a number above 0"),
        ({"learning_rate": float("nan")}, "SGD.learning_rate must be a number above 0, not nan"),
        ({"momentum": 1.0}, "SGD.momentum must be a number of at least 0 and below 1, not 1.0"),
        ({"nesterov": True}, "SGD.nesterov changes nothing without momentum"),
        ({"clipnorm": 0.0}, "SGD.clipnorm must be a number above 0"),
        ({"weight_decay": -1e-4}, "SGD.weight_decay must be 0 or more"),
        (
            {"gradient_accumulation_steps": 2.5},
            "SGD.gradient_accumulation_steps must be None or a whole",
        ),
    ],
)
@pytest.mark.parametrize("stage", ["Pretrain", "LearnViews", "TrainSupervised", "LinearProbe"])
def test_settings_of_an_optimizer_without_sense_or_effect_are_refused(stage, settings, message):
    optimizer = keras.optimizers.SGD(**{"learning_rate": 0.1} | settings)
    with pytest.raises(ValueError, match=message):
        takers(optimizer, None)[stage]()


def test_adam_without_momentum_is_taken_and_betas_of_1_are_not():
    pretrain(keras.optimizers.Adam(1e-3, beta_1=0.0))
    with pytest.raises(ValueError, match="Adam.beta_2 must be a number of at least 0 and below 1"):
        pretrain(keras.optimizers.Adam(1e-3, beta_2=1.0))


def test_one_of_two_weight_decays_is_enough():
    pretrain(keras.optimizers.AdamW(1e-3), weight_decay=0.0)
    with pytest.raises(ValueError, match="both Pretrain.weight_decay = 0.0001 and AdamW.weight"):
        pretrain(keras.optimizers.AdamW(1e-3), weight_decay=1e-4)


def test_which_weights_decay_needs_a_weight_decay():
    with pytest.raises(ValueError, match="decay_only_kernels changes nothing without weight_decay"):
        pretrain(decay_only_kernels=True)


def test_an_optimizer_that_scales_the_loss_is_refused():
    scaled = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1))
    with pytest.raises(ValueError, match="bind the inner optimizer of the LossScaleOptimizer"):
        pretrain(scaled)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"learning_rates": (1.0, 0.0)},
            "each of LinearProbe.learning_rates must be a number above 0",
        ),
        ({"epochs": 0}, "LinearProbe.epochs must be a number above 0"),
        (
            {"schedule": Cosine(warmup_epochs=5), "learning_rates": (1.0,)},
            "warmup_epochs = 5 is not shorter than the training, which has 5 epochs",
        ),
    ],
)
def test_probes_without_sense_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        LinearProbe(keras.optimizers.SGD(0.1), pairs.CropAndFlip(12), **settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"learning_rate": 0.0}, "SegmentationProbe.learning_rate must be a number above 0"),
        ({"epochs": 0}, "SegmentationProbe.epochs must be a number above 0"),
        ({"num_classes": 0}, "SegmentationProbe.num_classes must be a whole number of at least 1"),
    ],
)
def test_segmentation_probes_without_sense_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        SegmentationProbe(None, None, **{"num_classes": 3} | settings)


@pytest.mark.parametrize(
    "settings", [{"weight_decay": -1e-4}, {"weight_decay": float("nan")}, {"jigsaw_weight": 1.5}]
)
def test_weights_of_pretraining_without_sense_are_refused(settings):
    with pytest.raises(ValueError, match=f"Pretrain.{next(iter(settings))} must be"):
        pretrain(negatives=InBatch(), **settings)


@pytest.mark.parametrize("weight", ["unsupervised_weight", "supervised_weight"])
def test_negative_weights_of_view_learning_are_refused(weight):
    sgd = keras.optimizers.SGD(0.03)
    with pytest.raises(ValueError, match=f"LearnViews.{weight} must be 0 or more, not -1.0"):
        LearnViews(small.encoder, sgd, sgd, **{weight: -1.0})
