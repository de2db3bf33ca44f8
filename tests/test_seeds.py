"""Streams of random numbers: no two uses of a seed, and no two seeds, share one."""

import ast
import itertools
import pathlib
import types

import numpy as np
import pytest
import tensorflow as tf

from infomin_tf import seeds
from infomin_tf.data import pipeline
from infomin_tf.data.order import Order, views_seed
from infomin_tf.data.sharded import _key
from infomin_tf.errors import UserError
from infomin_tf.evaluation.segmentation import batches as segmentation_batches
from infomin_tf.experiment.learn_views import LearnViews
from infomin_tf.learners.negatives import MemoryBank, Slot
from infomin_tf.training.checkpoint import Checkpoint
from infomin_tf.views.sampler import Sampler
from tests import small, tasks

SOURCES = sorted(pathlib.Path(seeds.__file__).parent.rglob("*.py"))
SEEDS = range(21)


def stream_names():
    """All names that the package takes a stream by; two values for a part of a name that varies."""
    found = set()
    for source in SOURCES:
        for node in ast.walk(ast.parse(source.read_text("utf-8"))):
            if not (isinstance(node, ast.Call) and ast.unparse(node.func) == "seeds.stream"):
                continue
            name = node.args[1]
            if isinstance(name, ast.Constant):
                found.add(name.value)
            elif isinstance(name, ast.JoinedStr):
                for value in ("0", "1"):
                    parts = [getattr(part, "value", value) for part in name.values]
                    found.add("".join(p if isinstance(p, str) else value for p in parts))
    return found


def test_all_streams_of_neighbouring_seeds_differ():
    names = stream_names()
    assert {"pretrain/unlabelled", "untrained", "order", "sample of bank 1"} <= names
    taken = [seeds.stream(seed, name) for seed in SEEDS for name in names]
    divided = [
        seeds.stream(seed, part) for seed in taken for part in ("order", "views", "division")
    ]
    assert all(0 <= value < 2**31 for value in taken)
    assert len(set(taken + divided)) == len(taken + divided)


def test_a_stream_is_the_same_whenever_and_wherever_it_is_taken():
    assert seeds.stream(0, "weights") == 31069315
    assert seeds.stream(2**31 - 1, "weights") == 1483021807
    assert seeds.stream(np.int64(3), "order") == seeds.stream(3, "order")


def is_seed(node):
    return ast.unparse(node).lower().endswith("seed")


def test_no_stream_is_told_apart_by_a_sum_or_a_product():
    """As seed + 1 of one use is seed 1 of another."""
    wrong = [
        f"{source.name}: {ast.unparse(node)}"
        for source in SOURCES
        for node in ast.walk(ast.parse(source.read_text("utf-8")))
        if isinstance(node, ast.BinOp) and (is_seed(node.left) or is_seed(node.right))
    ]
    assert not wrong


class Noise(Sampler):
    """Views that show what was drawn alone."""

    def draw(self, num_images, seed):
        return tf.random.stateless_uniform([num_images], seed)

    def apply(self, images, draws):
        return draws


def first_batches(seed):
    """Images and views of the first batches of every set that is read by steps."""
    learning = types.SimpleNamespace(
        _labelled_batch_size=8, _backbones=(1, 1), _pair=lambda _: Noise()
    )
    images = tasks.IMAGES.numbered()
    run = types.SimpleNamespace(seed=seed, unlabelled=images, train=images)
    found = {}
    batch = next(
        iter(
            LearnViews._batches(
                learning, run, Order(8, seeds.stream(seed, "learn_views/unlabelled"))
            )
        )
    )
    for name, (x1, places) in zip(("unlabelled", "labelled"), batch, strict=True):
        found[name] = (places.numpy(), x1.numpy())
    maps, truth = np.arange(40.0, dtype=np.float32), np.arange(40)
    for name in ("pretrain/unlabelled", "evaluate/segmentation"):
        stream = seeds.stream(seed, name)
        if name.startswith("pretrain"):
            x1, places = next(iter(pipeline.training_batches(images, Order(8, stream), Noise())))
            found[name] = (places.numpy(), x1.numpy())
        else:
            _, places = next(iter(segmentation_batches(maps, truth, Order(8, stream))))
            found[name] = (places.numpy(), None)
    return found


def test_no_set_of_a_seed_is_read_as_another_of_its_neighbours():
    """Labelled images of seed 0 came in the order and views of unlabelled ones of seed 1."""
    found = {(seed, name): b for seed in range(2) for name, b in first_batches(seed).items()}
    for (a, (places, views)), (b, (others, more)) in itertools.combinations(found.items(), 2):
        assert not np.array_equal(places, others), (a, b)
        assert views is None or more is None or not np.array_equal(views, more), (a, b)


def test_keys_of_steps_differ_over_steps_and_seeds():
    steps = [tf.constant(step, tf.int64) for step in range(60)]
    keys = [views_seed(seed, step).numpy() for seed in range(4) for step in steps]
    assert len(np.unique(keys, axis=0)) == len(keys)
    parts = itertools.product(SEEDS, steps[:3], range(3), range(-1, 3))  # epoch, lane, window
    orders = [_key(Order(1, seed).key, *rest).numpy() for seed, *rest in parts]
    assert len(np.unique(orders, axis=0)) == len(orders)


def test_banks_of_neighbouring_seeds_are_sampled_otherwise():
    drawn = []
    for seed, bank in itertools.product(range(3), range(2)):
        layer = MemoryBank(size=20, temperature=1.0)
        layer.build_state(2, 4, 500, seed)
        layer.banks[bank].assign(tf.random.stateless_normal([500, 4], (1, 2)))
        q = tf.ones([1, 4])
        loss, _ = layer.contrast(q, q, Slot(bank, tf.constant([499]), tf.constant(5)))
        drawn.append(float(loss[0]))
    assert len(set(drawn)) == len(drawn)


def of_earlier_streams(task, step):
    """Writes a checkpoint as it was before streams had names."""
    made = Checkpoint(task.learner, task.directory)
    made._step.assign(step)
    earlier = tf.train.Checkpoint(**made._parts)
    earlier.save_counter  # makes it, as it was made then  # noqa: B018
    earlier.write(made._path(step))


def test_an_unfinished_stage_of_earlier_streams_does_not_go_on(tmp_path):
    task = tasks.contrastive_task(tmp_path)
    of_earlier_streams(task, 10)
    with pytest.raises(UserError, match="other random numbers from a seed .* another --model_dir"):
        tasks.fit(task)


def test_a_finished_stage_of_earlier_streams_is_read(tmp_path):
    task = tasks.contrastive_task(tmp_path)
    of_earlier_streams(task, 13)
    weights = small.weights(task.learner)
    for a, b in zip(weights, tasks.fit(tasks.contrastive_task(tmp_path)), strict=True):
        np.testing.assert_array_equal(a, b)
