"""What may differ when a finished training is evaluated or exported again: what evaluation and
export alone refer to.
"""

import pytest

from infomin_tf.errors import UserError
from infomin_tf.runs import run_folder

RUN = """# seed: 0
size = 32
count = 5
mine.Experiment.data = @mine.Data()
mine.Experiment.pretraining = @p/mine.Pretrain()
mine.Experiment.evaluation = @mine.Evaluate()
mine.Experiment.export = @mine.Export()
mine.Data.test = @test/mine.Source()
test/mine.Source.split = 'test'
p/mine.Pretrain.encoder = @mine.Encoder
p/mine.Pretrain.size = %size
p/mine.Pretrain.knn_view = @mine.Crop()
p/mine.Pretrain.schedule = @mine.Schedule()
p/mine.Schedule.rate = 1
mine.Encoder.width = 1
mine.Evaluate.test_view = @mine.Crop()
mine.Evaluate.probes = (@mine.OwnProbe(), @fast/mine.OwnProbe())
mine.Crop.size = %size
mine.Crop.resize = 40
mine.OwnProbe.loop = @mine.Loop()
mine.OwnProbe.count = %count
fast/mine.OwnProbe.loop = @mine.Loop()
fast/mine.Loop.steps = 3
mine.Loop.steps = 7
mine.Export.view = None
"""


@pytest.fixture
def check(tmp_path):
    """Whether bin/evaluate takes the run with one line put in the place of another."""
    run_folder.claim(str(tmp_path), RUN, overwrite=False)

    def check(old, new):
        assert old in RUN
        run_folder.check_same_training(str(tmp_path), RUN.replace(old, new))

    return check


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("# seed: 0", "# seed: 1"),
        ("test_view = @mine.Crop()", "test_view = @mine.Square()\nmine.Square.size = 9"),
        ("mine.Crop.resize = 40", "mine.Crop.resize = 48"),
        ("mine.OwnProbe.count = %count", "mine.OwnProbe.count = 9"),
        ("count = 5", "count = 6"),
        ("fast/mine.Loop.steps = 3", "fast/mine.Loop.steps = 4"),
        ("mine.Loop.steps = 7", "mine.Loop.steps = 8"),
        ("mine.Export.view = None", "mine.Export.view = @mine.Crop()"),
        ("mine.Experiment.evaluation = @mine.Evaluate()", "mine.Experiment.evaluation = None"),
        (
            "mine.Evaluate.probes = (",
            "mine.Transfer.train = @test/mine.Source()\nmine.Evaluate.probes = (@mine.Transfer(), ",
        ),
    ],
)  # fmt: skip
def test_what_evaluation_and_export_alone_use_may_differ(check, old, new):
    check(old, new)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("size = 32", "size = 40"),
        ("mine.Encoder.width = 1", "mine.Encoder.width = 2"),
        ("p/mine.Schedule.rate = 1", "p/mine.Schedule.rate = 2"),
        ("p/mine.Pretrain.knn_view = @mine.Crop()", "p/mine.Pretrain.knn_view = None"),
        ("test/mine.Source.split = 'test'", "test/mine.Source.split = 'all'"),
        ("mine.Experiment.data = @mine.Data()", "mine.Experiment.data = @mine.Other()"),
        ("mine.Crop.resize = 40", "mine.Crop.resize = 40\nmine.Nobody.uses = 1"),
    ],
)
def test_what_training_uses_may_not(check, old, new):
    with pytest.raises(
        UserError, match="(?s)trained with another configuration:.*only evaluation and export may"
    ):
        check(old, new)


def test_what_evaluation_shared_with_training_may_not_change_for_it_alone(check):
    """A loop that both use: the new training would differ, too."""
    with pytest.raises(UserError, match="mine.Loop.steps: 7 -> 8"):
        check(
            "mine.Loop.steps = 7",
            "mine.Loop.steps = 8\np/mine.Pretrain.loop = @mine.Loop()",
        )
